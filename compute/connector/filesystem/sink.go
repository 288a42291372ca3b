package filesystem

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	storage "github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/storage/objstore"
)

// manifestVersion is the version of the manifest's form; a newer one is refused.
const manifestVersion = 1

// maxManifestBytes bounds a manifest; it names one file.
const maxManifestBytes = 64 << 10

// stagedAge is how old staged rows are before a start takes them for left over from a crash:
// far longer than any owner takes between staging and committing.
const stagedAge = 24 * time.Hour

// manifest is one commit of a job: <path>/.weir/<job>/<number>.json.
type manifest struct {
	Version int   `json:"version"`
	Number  int64 `json:"number"` // 1, 2, 3, ... without gaps
	Epoch   int64 `json:"epoch"`
	Term    int64 `json:"term"`
	Rows    int64 `json:"rows"`
	// Staged is where the rows lie before they are published, Name their visible name; both
	// are empty for a commit without rows.
	Staged string `json:"staged,omitempty"`
	Name   string `json:"name,omitempty"`
}

// sink writes the files of one job. It is used by one goroutine at a time.
type sink struct {
	opts   options
	fields []connector.Field
	store  objstore.Store
	job    string
	now    func() time.Time
	last   manifest // zero: nothing committed
}

func openSink(ctx context.Context, c connector.Context) (connector.Sink, error) {
	o, err := parse(c.Table, c.Options)
	if err != nil {
		return nil, err
	}
	if o.isReplay || o.monitor > 0 || strings.ContainsAny(o.path, "*?[") {
		return nil, errkind.Errorf(errkind.Invalid, "table %s cannot be written: a sink's 'path' is a directory, without replay or monitor options", c.Table.Name)
	}
	if c.JobID == "" || strings.ContainsAny(c.JobID, "/.") {
		return nil, fmt.Errorf("filesystem: job id %q cannot name files", c.JobID)
	}
	store, err := objstore.NewLocal(o.path, objstore.LocalOptions{})
	if err != nil {
		return nil, fmt.Errorf("filesystem: open %s: %w", o.path, err)
	}
	s := &sink{opts: o, fields: connector.SinkFields(c.Table), store: store, job: c.JobID, now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, s.recover(ctx)
}

func (s *sink) key(number int64) string { return fmt.Sprintf(".weir/%s/%019d.json", s.job, number) }

// recover finds the last commit and publishes its file if the process died before it did.
func (s *sink) recover(ctx context.Context) error {
	newest, stale := "", []string(nil)
	err := s.store.List(ctx, ".weir/"+s.job+"/", func(i objstore.Info) error {
		switch {
		case strings.HasSuffix(i.Key, ".json"):
			newest = i.Key
		case s.now().Sub(i.ModTime) > stagedAge:
			stale = append(stale, i.Key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if newest != "" {
		if s.last, err = s.readManifest(ctx, newest); err != nil {
			return err
		}
		if err := s.publish(ctx, s.last); err != nil {
			return err
		}
	}
	for _, key := range stale {
		if err := s.store.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) readManifest(ctx context.Context, key string) (manifest, error) {
	var m manifest
	r, err := s.store.Get(ctx, key, 0, maxManifestBytes)
	if err != nil {
		return m, fmt.Errorf("filesystem: read manifest: %w", err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return m, fmt.Errorf("filesystem: read manifest %s: %w", s.store.URI(key), err)
	}
	if m, err = parseManifest(data); err == nil && s.key(m.Number) != key {
		err = fmt.Errorf("it says it is number %d", m.Number)
	}
	if err != nil {
		return m, errkind.Errorf(errkind.Corrupt, "filesystem: manifest %s: %w", s.store.URI(key), err)
	}
	return m, nil
}

func parseManifest(data []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return m, err
	}
	switch {
	case m.Version > manifestVersion:
		return m, fmt.Errorf("version %d is newer than this program's %d; use a newer weir", m.Version, manifestVersion)
	case m.Version < 1 || m.Number < 1 || m.Epoch < 0 || m.Rows < 0 || (m.Staged == "") != (m.Name == ""):
		return m, errors.New("fields are missing or out of range")
	}
	return m, nil
}

// claimTriesMax bounds the races of a new owner with the last commit of an earlier one, which has but one under way.
const claimTriesMax = 5

// Claim implements connector.Claimer: a manifest without rows takes the number of the next commit, so that an earlier
// owner who is at it fails and what Progress says stays true.
func (s *sink) Claim(ctx context.Context, term int64) error {
	for range claimTriesMax {
		switch {
		case s.last.Term > term:
			return s.takenOver(term)
		case s.last.Term == term:
			return nil
		}
		m := manifest{Version: manifestVersion, Number: s.last.Number + 1, Epoch: s.last.Epoch, Term: term}
		err := s.commit(ctx, m)
		if !errors.Is(err, objstore.ErrExists) {
			return err
		}
		if err := s.recover(ctx); err != nil {
			return err
		}
	}
	return errkind.Errorf(errkind.Unavailable, "filesystem: job %s: others keep committing to %s", s.job, s.opts.path)
}

func (s *sink) takenOver(term int64) error {
	return errkind.Errorf(errkind.Conflict, "filesystem: job %s was taken over: term %d wrote %s, this is term %d", s.job, s.last.Term, s.opts.path, term)
}

// commit publishes the manifest; objstore.ErrExists says that another owner has that number.
func (s *sink) commit(ctx context.Context, m manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("filesystem: encode manifest: %w", err)
	}
	if err := s.store.PutIfAbsent(ctx, s.key(m.Number), text); err != nil {
		return fmt.Errorf("filesystem: commit epoch %d: %w", m.Epoch, err)
	}
	s.last = m
	return nil
}

// Progress implements connector.Sink.
func (s *sink) Progress(context.Context) (connector.Progress, error) {
	return connector.Progress{Epoch: s.last.Epoch, Term: s.last.Term}, nil
}

// Guarantee implements connector.Sink.
func (s *sink) Guarantee() string { return connector.ExactlyOnce }

// Write implements connector.Sink: stage, commit the manifest, publish. A manifest that
// another owner of the job wrote first is a conflict, and nothing becomes visible.
func (s *sink) Write(ctx context.Context, at connector.Progress, rows []connector.Chunk) error {
	if at.Epoch <= s.last.Epoch {
		return nil
	}
	if at.Term < s.last.Term {
		return s.takenOver(at.Term)
	}
	data, n, err := s.encode(rows)
	if err != nil || n == 0 {
		return err // without rows there is nothing to make durable: the epoch may be written again
	}
	m := manifest{Version: manifestVersion, Number: s.last.Number + 1, Epoch: at.Epoch, Term: at.Term, Rows: n}
	m.Staged = fmt.Sprintf(".weir/%s/staged-%s", s.job, uuid.NewString())
	m.Name = fmt.Sprintf("part-%s-%06d.%s", s.job, m.Number, s.extension())
	if err := s.store.Put(ctx, m.Staged, data); err != nil {
		return fmt.Errorf("filesystem: stage rows of epoch %d: %w", at.Epoch, err)
	}
	err = s.commit(ctx, m)
	if errors.Is(err, objstore.ErrExists) {
		return errors.Join(errkind.Errorf(errkind.Conflict, "filesystem: job %s was taken over: another owner wrote commit %d of %s", s.job, m.Number, s.opts.path),
			s.store.Delete(ctx, m.Staged))
	}
	if err != nil {
		return err
	}
	return s.publish(ctx, m)
}

func (s *sink) extension() string {
	if s.opts.format == "debezium-json" {
		return "json"
	}
	return s.opts.format
}

// publish makes a commit's rows visible under their name; doing it again changes nothing.
func (s *sink) publish(ctx context.Context, m manifest) error {
	if m.Name == "" {
		return nil
	}
	r, err := s.store.Get(ctx, m.Staged, 0, -1)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil // published, and the staged copy removed
	}
	if err != nil {
		return fmt.Errorf("filesystem: read staged rows: %w", err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("filesystem: read staged rows of %s: %w", m.Name, err)
	}
	if err := s.store.Put(ctx, m.Name, data); err != nil {
		return fmt.Errorf("filesystem: publish %s: %w", m.Name, err)
	}
	return s.store.Delete(ctx, m.Staged)
}

// encode writes the rows as one file's bytes; the engine bounds what one commit holds.
func (s *sink) encode(rows []connector.Chunk) ([]byte, int64, error) {
	n := int64(0)
	for _, c := range rows {
		n += c.Rows.NumRows()
	}
	if n == 0 {
		return nil, 0, nil
	}
	if s.opts.text == nil {
		data, err := s.encodeParquet(rows)
		return data, n, err
	}
	cols := make([]int, len(s.fields))
	for i := range cols {
		cols[i] = i
	}
	enc, err := s.opts.text.Encoder(s.fields, cols)
	if err != nil {
		return nil, 0, err
	}
	out := s.opts.text.CSVHeader(s.fields, cols)
	if len(out) > 0 {
		out = append(out, '\n')
	}
	for _, c := range rows {
		for i := range int(c.Rows.NumRows()) {
			if out, err = enc.Encode(out, c.Rows, i, c.KindAt(i)); err != nil {
				return nil, 0, err
			}
			out = append(out, '\n')
		}
	}
	return out, n, nil
}

func (s *sink) encodeParquet(rows []connector.Chunk) ([]byte, error) {
	schema, err := connector.ArrowSchema(s.fields)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := storage.NewWriter(&out, schema, storage.Options{})
	if err != nil {
		return nil, err
	}
	for _, c := range rows {
		for i := range c.Kinds {
			if c.Kinds[i] != connector.Insert {
				return nil, errkind.Errorf(errkind.Invalid, "format parquet takes inserts only, found a row of kind %s; write a changing result to a table or as debezium-json", connector.KindText(c.Kinds[i]))
			}
		}
		if err := w.Write(c.Rows); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Close implements connector.Sink.
func (s *sink) Close() error { return nil }
