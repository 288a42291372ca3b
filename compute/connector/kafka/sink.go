package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// transactionTimeout is how long the broker waits for an owner that has died before it
	// aborts its transaction; a new owner aborts it at once.
	transactionTimeout = time.Minute
	// progressVersion is the version of the progress record.
	progressVersion = 1
)

// progressRecord is the value of a job's record in the progress topic; its key is the job
// and the topic written.
type progressRecord struct {
	Version int   `json:"version"`
	Epoch   int64 `json:"epoch"`
	Term    int64 `json:"term"`
}

// sink writes the rows of one job to one topic. It is used by one goroutine at a time.
type sink struct {
	opts    options
	fields  []connector.Field
	cols    columns
	value   format.Encoder
	key     format.Encoder
	client  *kgo.Client
	job     string
	last    connector.Progress
	failure error // after a failed transaction the sink must be opened again
}

func openSink(ctx context.Context, c connector.Context) (*sink, error) {
	o, err := parse(c.Table, c.Options)
	if err != nil {
		return nil, err
	}
	if len(o.topics) != 1 {
		return nil, errkind.Errorf(errkind.Invalid, "table %s cannot be written: a sink has one 'topic'", c.Table.Name)
	}
	s := &sink{opts: o, fields: connector.SinkFields(c.Table), job: c.JobID}
	if err := s.encoders(); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{kgo.DefaultProduceTopic(o.topics[0]), kgo.AllowAutoTopicCreation(), kgo.RecordDeliveryTimeout(transactionTimeout)}
	if o.exactly {
		opts = append(opts, kgo.TransactionalID(o.txPrefix+"-"+c.JobID), kgo.TransactionTimeout(transactionTimeout))
	}
	if s.client, err = o.client.connect(opts...); err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "kafka: %w", err)
	}
	if err := s.start(ctx); err != nil {
		s.client.Close()
		return nil, err
	}
	return s, nil
}

func (s *sink) encoders() error {
	var err error
	if s.cols, err = s.opts.columns(s.fields); err != nil {
		return err
	}
	for _, f := range s.fields {
		if f.Metadata != "" && f.Metadata != "timestamp" && f.Metadata != "headers" {
			return errkind.Errorf(errkind.Invalid, "column %s: metadata '%s' cannot be written; declare it VIRTUAL", f.Name, f.Metadata)
		}
	}
	if s.value, err = s.opts.value.Encoder(s.fields, s.cols.value); err != nil || s.opts.key == nil {
		return err
	}
	s.key, err = s.opts.key.Encoder(s.opts.keyNames(s.fields), s.cols.key)
	return err
}

// start takes the transactional id, which fences and aborts what an earlier owner left, and
// then reads how far it came.
func (s *sink) start(ctx context.Context) error {
	if err := s.makeProgressTopic(ctx); err != nil {
		return err
	}
	if s.opts.exactly {
		if _, _, err := s.client.ProducerID(ctx); err != nil {
			return wrap("take transactional id "+s.opts.txPrefix+"-"+s.job, err)
		}
	}
	last, err := s.readProgress(ctx)
	s.last = last
	return err
}

func (s *sink) makeProgressTopic(ctx context.Context) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = s.opts.progress, 1, -1
	rc := kmsg.NewCreateTopicsRequestTopicConfig()
	rc.Name, rc.Value = "cleanup.policy", kmsg.StringPtr("compact")
	rt.Configs = append(rt.Configs, rc)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return wrap("create topic "+s.opts.progress, err)
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return wrap("create topic "+s.opts.progress, err)
		}
	}
	return nil
}

func (s *sink) progressKey() string { return s.job + "/" + s.opts.topics[0] }

// readProgress reads the committed records of the progress topic; it is compacted, so short.
func (s *sink) readProgress(ctx context.Context) (connector.Progress, error) {
	o := s.opts
	o.topics, o.pattern, o.client.uncommitted = []string{s.opts.progress}, nil, false
	src := &source{opts: o, cluster: &cluster{client: s.client, opts: &o}, now: time.Now, fetched: map[partition]*prefetch{}}
	var last connector.Progress
	if err := src.refresh(ctx, true); err != nil {
		return last, err
	}
	parts := src.cluster.sorted()
	begin, err := src.cluster.offsets(ctx, parts, earliest)
	if err != nil {
		return last, err
	}
	end, err := src.cluster.offsets(ctx, parts, latest)
	if err != nil {
		return last, err
	}
	for _, p := range parts {
		for at := begin[p]; at < end[p]; {
			records, next, err := src.fetch(ctx, p, at)
			if err != nil {
				return last, err
			}
			for _, r := range records {
				if string(r.Key) != s.progressKey() {
					continue
				}
				got, err := parseProgress(r.Value)
				if err != nil {
					return last, errkind.Errorf(errkind.Corrupt, "kafka: %s offset %d: %w", p.split(), r.Offset, err)
				}
				last = got
			}
			at = next
		}
	}
	return last, nil
}

func parseProgress(value []byte) (connector.Progress, error) {
	var r progressRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return connector.Progress{}, fmt.Errorf("progress record %.60q: %w", value, err)
	}
	if r.Version != progressVersion || r.Epoch < 0 || r.Term < 0 {
		return connector.Progress{}, fmt.Errorf("progress record %.60q is not of version %d", value, progressVersion)
	}
	return connector.Progress{Epoch: r.Epoch, Term: r.Term}, nil
}

// Progress implements connector.Sink.
func (s *sink) Progress(context.Context) (connector.Progress, error) { return s.last, s.failure }

// Guarantee implements connector.Sink.
func (s *sink) Guarantee() string {
	if s.opts.exactly {
		return connector.ExactlyOnce
	}
	return connector.AtLeastOnce
}

// Write implements connector.Sink: the rows and the progress record in one transaction. After
// an error it is not known whether it was committed: the sink must be opened again, which
// settles it.
func (s *sink) Write(ctx context.Context, at connector.Progress, rows []connector.Chunk) error {
	if s.failure != nil {
		return s.failure
	}
	if at.Epoch <= s.last.Epoch {
		return nil
	}
	if at.Term < s.last.Term {
		return s.fenced(fmt.Errorf("term %d wrote last, this is term %d", s.last.Term, at.Term))
	}
	records, err := s.records(rows)
	if err != nil || len(records) == 0 {
		return err // nothing was sent; an epoch without rows may be written again
	}
	progress, err := json.Marshal(progressRecord{progressVersion, at.Epoch, at.Term})
	if err != nil {
		return fmt.Errorf("kafka: encode progress: %w", err)
	}
	mark := &kgo.Record{Topic: s.opts.progress, Key: []byte(s.progressKey()), Value: progress}
	if err := s.send(ctx, records, mark); err != nil {
		s.failure = s.classify(err)
		return s.failure
	}
	s.last = at
	return nil
}

func (s *sink) send(ctx context.Context, records []*kgo.Record, mark *kgo.Record) error {
	if !s.opts.exactly {
		if err := s.produce(ctx, records); err != nil {
			return err
		}
		return s.produce(ctx, []*kgo.Record{mark})
	}
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	err := s.produce(ctx, append(records, mark))
	if err != nil {
		return errors.Join(err, s.client.EndTransaction(ctx, kgo.TryAbort))
	}
	return s.client.EndTransaction(ctx, kgo.TryCommit)
}

// produce sends the records and waits for all of them.
func (s *sink) produce(ctx context.Context, records []*kgo.Record) error {
	var mu sync.Mutex
	var first error
	for _, r := range records {
		s.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	if err := s.client.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return first
}

func (s *sink) classify(err error) error {
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidProducerIDMapping) {
		return s.fenced(err)
	}
	return wrap("write to "+s.opts.topics[0], err)
}

func (s *sink) fenced(err error) error {
	return errkind.Errorf(errkind.Conflict, "kafka: job %s was taken over by another owner: %w", s.job, err)
}

// records encodes the rows.
func (s *sink) records(rows []connector.Chunk) ([]*kgo.Record, error) {
	var out []*kgo.Record
	for _, c := range rows {
		for i := range int(c.Rows.NumRows()) {
			r := &kgo.Record{}
			var err error
			if r.Value, err = s.value.Encode(nil, c.Rows, i, c.KindAt(i)); err != nil {
				return nil, err
			}
			if s.key != nil {
				if r.Key, err = s.key.Encode(nil, c.Rows, i, connector.Insert); err != nil {
					return nil, fmt.Errorf("key: %w", err)
				}
			}
			for j, f := range s.fields {
				if f.Metadata != "" && c.Rows.Column(j).IsValid(i) {
					setMetadata(r, c.Rows.Column(j), i)
				}
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func setMetadata(r *kgo.Record, a arrow.Array, row int) {
	switch a := a.(type) {
	case *array.Timestamp:
		r.Timestamp = a.Value(row).ToTime(a.DataType().(*arrow.TimestampType).Unit)
	case *array.Map:
		from, to := a.ValueOffsets(row)
		for i := from; i < to; i++ {
			h := kgo.RecordHeader{Key: strings.Clone(a.Keys().(*array.String).Value(int(i)))}
			if a.Items().IsValid(int(i)) {
				h.Value = append([]byte{}, a.Items().(*array.Binary).Value(int(i))...)
			}
			r.Headers = append(r.Headers, h)
		}
	}
}

// Close implements connector.Sink.
func (s *sink) Close() error {
	s.client.Close()
	return nil
}
