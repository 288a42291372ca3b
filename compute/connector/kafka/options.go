package kafka

import (
	"context"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// defaultDiscovery is Flink's scan.topic-partition-discovery.interval.
const defaultDiscovery = 5 * time.Minute

// The modes of scan.startup.mode and scan.bounded.mode.
const (
	modeGroup     = "group-offsets"
	modeEarliest  = "earliest-offset"
	modeLatest    = "latest-offset"
	modeTimestamp = "timestamp"
	modeSpecific  = "specific-offsets"
	modeUnbounded = "unbounded"
)

// bound is where a scan starts or ends.
type bound struct {
	mode     string
	millis   int64           // modeTimestamp
	specific map[int32]int64 // modeSpecific: offset by partition
}

// options of one table.
type options struct {
	topics     []string
	pattern    *regexp.Regexp // instead of topics
	client     clientOptions
	start, end bound
	discovery  time.Duration
	value, key *format.Format // key may be nil
	keyFields  []string
	keyPrefix  string
	exceptKey  bool
	exactly    bool
	progress   string // compacted topic of a sink's commits
	txPrefix   string
}

// metadataTypes are the metadata columns of Flink's connector.
var metadataTypes = map[string]schema.Type{
	"topic": schema.TString, "partition": schema.TInt, "offset": schema.TBigInt, "leader-epoch": schema.TInt,
	"timestamp": schema.TTimestampLTZ(3), "timestamp-type": schema.TString, "headers": schema.TMap(schema.TString, schema.TBytes),
}

// Factory opens tables with 'connector' = 'kafka'.
func Factory() connector.Factory {
	return connector.Factory{
		Name:    "kafka",
		Passing: true,
		Validate: func(t *plan.Table) error {
			_, err := parse(t, t.Options)
			return err
		},
		Unbounded: func(t *plan.Table) bool {
			m := t.Options["scan.bounded.mode"]
			return m == "" || m == modeUnbounded
		},
		OpenSource: func(ctx context.Context, c connector.Context) (connector.Source, error) {
			s, err := openSource(ctx, c)
			if err != nil || c.Bounded {
				return s, err
			}
			return connector.Background(s), nil
		},
		OpenSink: func(ctx context.Context, c connector.Context) (connector.Sink, error) { return openSink(ctx, c) },
	}
}

func parse(t *plan.Table, opts map[string]string) (options, error) {
	r := connector.ReadOptions(opts)
	o := options{client: readClientOptions(r)}
	o.readTopics(r)
	o.start = readBound(r, "startup", modeGroup, modeEarliest, modeLatest, modeTimestamp, modeSpecific)
	o.end = readBound(r, "bounded", modeUnbounded, modeGroup, modeLatest, modeTimestamp, modeSpecific)
	if (o.start.mode == modeGroup || o.end.mode == modeGroup) && o.client.group == "" && r.Has("scan.startup.mode") {
		r.Fail("scan.startup.mode", "group-offsets needs 'properties.group.id'")
	}
	if o.start.mode == modeGroup && o.client.group == "" {
		o.start.mode = modeEarliest // as Flink's client does without a group: auto.offset.reset decides
		if o.client.reset == "latest" {
			o.start.mode = modeLatest
		}
	}
	o.discovery = r.Duration("scan.topic-partition-discovery.interval", defaultDiscovery)
	o.readFormats(r)
	o.readSink(r)
	if err := r.Done(); err != nil {
		return o, err
	}
	return o, o.check(t)
}

func (o *options) readTopics(r *connector.OptionReader) {
	topic, pattern := r.String("topic", ""), r.String("topic-pattern", "")
	switch {
	case (topic == "") == (pattern == ""):
		r.Required("topic")
		if topic != "" {
			r.Fail("topic-pattern", "set either 'topic' or 'topic-pattern'")
		}
	case pattern != "":
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			r.Fail("topic-pattern", "%v", err)
		}
		o.pattern = re
	default:
		for _, t := range strings.Split(topic, ";") {
			if t = strings.TrimSpace(t); t == "" || strings.Contains(t, "/") {
				r.Fail("topic", "expected topic names with ';' between them")
			}
			o.topics = append(o.topics, t)
		}
	}
}

func readBound(r *connector.OptionReader, which string, modes ...string) bound {
	p := "scan." + which + "."
	b := bound{mode: r.Enum(p+"mode", modes...)}
	millis, specific := p+"timestamp-millis", p+"specific-offsets"
	if b.mode == modeTimestamp {
		r.Required(millis)
		b.millis = r.Int(millis, 0, 0, math.MaxInt64)
	} else if r.Has(millis) {
		r.Fail(millis, "is for '%smode' = 'timestamp'", p)
	}
	if b.mode != modeSpecific {
		if r.Has(specific) {
			r.Fail(specific, "is for '%smode' = 'specific-offsets'", p)
		}
		return b
	}
	b.specific = map[int32]int64{}
	for _, part := range strings.Split(r.Required(specific), ";") {
		var partition, offset string
		if p, rest, ok := strings.Cut(strings.TrimSpace(part), ","); ok {
			partition, _ = strings.CutPrefix(p, "partition:")
			offset, _ = strings.CutPrefix(rest, "offset:")
		}
		n, err1 := strconv.ParseInt(partition, 10, 32)
		off, err2 := strconv.ParseInt(offset, 10, 64)
		if err1 != nil || err2 != nil || n < 0 || off < 0 {
			r.Fail(specific, "expected partition:0,offset:42;partition:1,offset:300")
			return b
		}
		b.specific[int32(n)] = off
	}
	return b
}

func (o *options) readFormats(r *connector.OptionReader) {
	name, prefix := r.String("value.format", ""), "value."
	if short := r.String("format", ""); name == "" {
		name, prefix = short, ""
		if name == "" {
			r.Required("format")
		}
	} else if short != "" {
		r.Fail("format", "set either 'format' or 'value.format'")
	}
	if name != "" {
		o.value = format.Read(r, prefix, name)
	}
	if k := r.String("key.format", ""); k != "" {
		o.key = format.Read(r, "key.", k)
		for _, f := range strings.Split(r.Required("key.fields"), ";") {
			o.keyFields = append(o.keyFields, strings.TrimSpace(f))
		}
		if o.key.Changes() {
			r.Fail("key.format", "a key cannot be in a changelog format")
		}
	} else if r.Has("key.fields") {
		r.Fail("key.fields", "needs 'key.format'")
	}
	o.keyPrefix = r.String("key.fields-prefix", "")
	o.exceptKey = r.Enum("value.fields-include", "ALL", "EXCEPT_KEY") == "EXCEPT_KEY"
	if o.keyPrefix != "" && !o.exceptKey {
		r.Fail("key.fields-prefix", "needs 'value.fields-include' = 'EXCEPT_KEY'")
	}
}

func (o *options) readSink(r *connector.OptionReader) {
	o.exactly = r.Enum("sink.delivery-guarantee", "exactly-once", "at-least-once") == "exactly-once"
	o.progress = r.String("sink.progress-topic", "weir-progress")
	o.txPrefix = r.String("sink.transactional-id-prefix", "weir")
	r.Int("sink.parallelism", 1, 1, math.MaxInt16) // one producer writes whatever it says
}

// columns are the fields the value and the key fill.
type columns struct{ value, key []int }

func (o *options) columns(fields []connector.Field) (columns, error) {
	var c columns
	isKey := map[string]bool{}
	for _, k := range o.keyFields {
		if !strings.HasPrefix(k, o.keyPrefix) {
			return c, errkind.Errorf(errkind.Invalid, "option 'key.fields': %s does not begin with 'key.fields-prefix' = '%s'", k, o.keyPrefix)
		}
		isKey[k] = true
	}
	for i, f := range fields {
		if f.Metadata != "" {
			continue
		}
		if isKey[f.Name] {
			delete(isKey, f.Name)
			c.key = append(c.key, i)
			if o.exceptKey {
				continue
			}
		}
		c.value = append(c.value, i)
	}
	for k := range isKey {
		return c, errkind.Errorf(errkind.Invalid, "option 'key.fields': the table has no physical column %s", k)
	}
	return c, nil
}

// keyNames are the fields under their names in the key.
func (o *options) keyNames(fields []connector.Field) []connector.Field {
	out := append([]connector.Field(nil), fields...)
	for i := range out {
		out[i].Name = strings.TrimPrefix(out[i].Name, o.keyPrefix)
	}
	return out
}

func (o *options) check(t *plan.Table) error {
	fields := connector.Fields(t)
	for _, f := range fields {
		want, ok := metadataTypes[f.Metadata]
		switch {
		case f.Metadata == "":
		case !ok:
			return errkind.Errorf(errkind.Invalid, "column %s: metadata key '%s' is unknown; known are topic, partition, offset, leader-epoch, timestamp, timestamp-type, headers", f.Name, f.Metadata)
		case f.Type.Kind != want.Kind:
			return errkind.Errorf(errkind.Invalid, "column %s: metadata '%s' has type %s, not %s", f.Name, f.Metadata, want, f.Type)
		}
	}
	_, err := o.decoders(fields)
	return err
}

// decoders of a message's value and key; the key's is nil where it fills no column of its own.
type decoders struct {
	cols  columns
	value format.Decoder
	key   format.Decoder
}

func (o *options) decoders(fields []connector.Field) (decoders, error) {
	var d decoders
	var err error
	if d.cols, err = o.columns(fields); err != nil {
		return d, err
	}
	if o.value.HasHeader() || o.key != nil && o.key.HasHeader() {
		return d, errkind.Errorf(errkind.Invalid, "option 'csv.header': messages have no header")
	}
	if d.value, err = o.value.Decoder(fields, d.cols.value); err != nil {
		return d, err
	}
	if o.exceptKey && o.key != nil {
		d.key, err = o.key.Decoder(o.keyNames(fields), d.cols.key)
	}
	return d, err
}
