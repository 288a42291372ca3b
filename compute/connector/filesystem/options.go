package filesystem

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/compute/connector/replay"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// parquet is the one format that is not made of records.
const parquet = "parquet"

// minMonitorInterval keeps a watched directory from being listed without pause.
const minMonitorInterval = 10 * time.Millisecond

// options of one table.
type options struct {
	path     string // empty for a replay query, which names its tables itself
	format   string
	text     *format.Format // nil for parquet
	monitor  time.Duration  // 0: read once
	replay   replay.Options
	isReplay bool
}

// metadataTypes are the metadata columns a source fills, as in Flink.
var metadataTypes = map[string]schema.Type{
	"file.path": schema.TString, "file.name": schema.TString, "file.size": schema.TBigInt, "file.modification-time": schema.TTimestampLTZ(3),
}

// Factory opens tables with 'connector' = 'filesystem'.
func Factory() connector.Factory {
	return connector.Factory{
		Name: "filesystem",
		Validate: func(t *plan.Table) error {
			_, err := parse(t, t.Options)
			return err
		},
		OpenSource: func(ctx context.Context, c connector.Context) (connector.Source, error) {
			s, err := openSource(ctx, c)
			if err != nil || c.Bounded {
				return s, err
			}
			return connector.Background(s), nil // disks may be slow, and a replay's query is
		},
		Unbounded: func(t *plan.Table) bool { return t.Options["source.monitor-interval"] != "" },
		OpenSink:  func(ctx context.Context, c connector.Context) (connector.Sink, error) { return openSink(ctx, c) },
	}
}

func parse(t *plan.Table, opts map[string]string) (options, error) {
	r := connector.ReadOptions(opts)
	var o options
	if o.replay, o.isReplay = replay.ReadOptions(r); o.replay.Query == "" {
		o.path = localPath(r, r.Required("path"))
		if o.format = r.Required("format"); o.format == parquet {
			// Flink reads timestamps by this machine's clock without it, weir always by UTC: both values mean the same here.
			r.Bool("parquet.utc-timezone", true)
		} else if o.format != "" {
			o.text = format.Read(r, "", o.format)
		}
	}
	if r.Has("source.monitor-interval") {
		if o.monitor = r.Duration("source.monitor-interval", 0); o.monitor < minMonitorInterval {
			r.Fail("source.monitor-interval", "expected at least %s", minMonitorInterval)
		}
	}
	if o.isReplay && o.monitor > 0 {
		r.Fail("source.monitor-interval", "a replay reads a fixed set of files; drop 'replay.time' or this option")
	}
	if err := r.Done(); err != nil {
		return o, err
	}
	if len(t.PartitionKeys) > 0 {
		return o, errkind.Errorf(errkind.Invalid, "table %s: PARTITIONED BY is not supported by the filesystem connector; list the columns in the files", t.Name)
	}
	return o, checkColumns(t, o)
}

func checkColumns(t *plan.Table, o options) error {
	fields := connector.Fields(t)
	for _, f := range fields {
		if f.Metadata == "" {
			continue
		}
		want, ok := metadataTypes[f.Metadata]
		if !ok {
			return errkind.Errorf(errkind.Invalid, "column %s: metadata key '%s' is unknown; known are file.path, file.name, file.size, file.modification-time", f.Name, f.Metadata)
		}
		if !f.Type.SameRoot(want) {
			return errkind.Errorf(errkind.Invalid, "column %s: metadata '%s' has type %s, not %s", f.Name, f.Metadata, want, f.Type)
		}
	}
	if o.text == nil {
		return nil
	}
	_, err := o.text.Decoder(fields, physical(fields))
	return err
}

// physical are the indexes of the fields that come out of the files.
func physical(fields []connector.Field) []int {
	var cols []int
	for i, f := range fields {
		if f.Metadata == "" {
			cols = append(cols, i)
		}
	}
	return cols
}

// localPath accepts a path or a file: URL.
func localPath(r *connector.OptionReader, path string) string {
	if !strings.Contains(path, "://") && !strings.HasPrefix(path, "file:") {
		return path
	}
	u, err := url.Parse(path)
	switch {
	case err != nil || u.Host != "" && u.Scheme == "file":
		r.Fail("path", "not a path or file:///path")
	case u.Scheme != "file":
		r.Fail("path", "the filesystem connector takes local paths and file:///path only")
	case u.Path != "":
		return u.Path
	}
	if u == nil {
		return ""
	}
	return u.Opaque
}
