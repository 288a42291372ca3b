package kafka

import (
	"context"
	"errors"
	"fmt"
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
	// fetchWait is how long a broker may hold a fetch; what is asked for is there already.
	fetchWait = 100 * time.Millisecond
	// stalled is how long a range that must be there may bring nothing before the job is told.
	stalled = 15 * time.Second
)

// prefetch is what a fetch brought beyond the range asked for: brokers answer in whole batches.
type prefetch struct {
	records []*kgo.Record
	next    int64 // offset behind what was fetched
}

// extent is a range of a partition's offsets.
type extent struct {
	partition
	from, to int64
}

// readPartition streams the records of an extent into b, handing full batches to fn. Each
// fetch asks for an exact offset, so nothing depends on what was read before.
func (s *source) readPartition(ctx context.Context, e extent, b *format.Batch, fn func(connector.Chunk) error) error {
	p, from, to := e.partition, e.from, e.to
	deadline := s.now().Add(stalled)
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		records, next, err := s.next(ctx, p, from)
		if err != nil {
			return err
		}
		if next == from {
			if s.now().After(deadline) {
				return errkind.Errorf(errkind.Unavailable, "kafka: %s: the broker brings nothing at offset %d for %s, of a log that ends behind it", p.split(), from, stalled)
			}
			continue
		}
		deadline = s.now().Add(stalled)
		used := 0
		for used < len(records) && records[used].Offset < to {
			if err := s.take(p, records[used], b); err != nil {
				return err
			}
			used++
			if b.Mark()+b.DeadLen() >= connector.MaxChunkRows/2 { // a message may hold several rows
				if err := flush(b, fn); err != nil {
					return err
				}
			}
		}
		delete(s.fetched, p)
		if used < len(records) {
			s.fetched[p] = &prefetch{records[used:], next}
			return nil
		}
		from = next
	}
	return nil
}

// next returns records from an offset on, of what was fetched before or of a new fetch.
func (s *source) next(ctx context.Context, p partition, from int64) ([]*kgo.Record, int64, error) {
	if have, ok := s.fetched[p]; ok && len(have.records) > 0 && have.records[0].Offset == from {
		return have.records, have.next, nil
	}
	return s.fetch(ctx, p, from)
}

func (s *source) fetch(ctx context.Context, p partition, from int64) ([]*kgo.Record, int64, error) {
	pl := s.cluster.places[p]
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(fetchWait.Milliseconds()), 1, fetchBytes
	req.IsolationLevel = s.opts.client.isolation()
	req.SessionEpoch = -1 // no session: each request stands for itself
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = p.topic, pl.id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p.number, from, fetchBytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := s.cluster.client.Broker(int(pl.leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, from, s.retry(ctx, p, from, err)
	}
	fr := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fr.ErrorCode); err != nil {
		return nil, from, s.retry(ctx, p, from, err)
	}
	if len(fr.Topics) != 1 || len(fr.Topics[0].Partitions) != 1 {
		return nil, 0, errkind.Errorf(errkind.Unavailable, "kafka: fetch of %s: the broker answered for %d topics", p.split(), len(fr.Topics))
	}
	level := kgo.ReadCommitted()
	if s.opts.client.uncommitted {
		level = kgo.ReadUncommitted()
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: from, IsolationLevel: level, Topic: p.topic, Partition: p.number},
		&fr.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return nil, from, s.retry(ctx, p, from, fp.Err)
	}
	return fp.Records, max(next, from), nil
}

// retry turns an error of a fetch into what it means. A partition whose leader has moved is
// looked up again; the caller then asks once more, until it has waited too long.
func (s *source) retry(ctx context.Context, p partition, from int64, err error) error {
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return lost(p, "offset %d is not in the log any more", from)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID), errors.Is(err, kerr.UnknownTopicOrPartition),
		errors.Is(err, kerr.NotLeaderForPartition), errors.Is(err, kerr.FencedLeaderEpoch), errors.Is(err, kerr.LeaderNotAvailable):
		was := s.cluster.places[p]
		if err := s.refresh(ctx, true); err != nil {
			return err
		}
		if _, err := s.cluster.check(p, position{topicID: was.hexID}); err != nil {
			return err
		}
		return pause(ctx)
	}
	return wrap(fmt.Sprintf("fetch %s at offset %d", p.split(), from), err)
}

// pause waits for retryEvery.
func pause(ctx context.Context) error {
	t := time.NewTimer(retryEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// take decodes one message with its key and metadata.
func (s *source) take(p partition, r *kgo.Record, b *format.Batch) error {
	if r.Value == nil && s.opts.value.Name != "raw" {
		return nil // a tombstone is no row, as in Flink
	}
	bad, f, err := s.decode(r, b)
	if err != nil {
		return f.Bad(err, bad, format.Place{Split: p.split(), Position: fmt.Sprintf("%s%d", positionPrefix, r.Offset)}, b)
	}
	return nil
}

// decode decodes the parts of a message. With an error it says which part is bad, and of what format.
func (s *source) decode(r *kgo.Record, b *format.Batch) (bad []byte, of *format.Format, err error) {
	mark := b.Mark()
	if err := s.decoders.value.Decode(r.Value, b); err != nil {
		return r.Value, s.opts.value, err
	}
	if s.decoders.key != nil {
		if err := b.AddPart(s.decoders.key, r.Key, mark, s.decoders.cols.key); err != nil {
			return r.Key, s.opts.key, fmt.Errorf("key: %w", err)
		}
	}
	for i, f := range s.fields {
		if f.Metadata == "" {
			continue
		}
		for col := b.Column(i); col.Len() < b.Mark(); {
			appendMetadata(col, f.Metadata, r)
		}
	}
	return nil, nil, nil
}

func appendMetadata(b array.Builder, key string, r *kgo.Record) {
	switch b := b.(type) {
	case *array.StringBuilder:
		if key == "topic" {
			b.Append(r.Topic)
		} else {
			b.Append(timestampType(r))
		}
	case *array.Int32Builder:
		if key == "partition" {
			b.Append(r.Partition)
		} else {
			b.Append(r.LeaderEpoch)
		}
	case *array.Int64Builder:
		b.Append(r.Offset)
	case *array.TimestampBuilder:
		v, _ := arrow.TimestampFromTime(r.Timestamp, b.Type().(*arrow.TimestampType).Unit)
		b.Append(v)
	case *array.MapBuilder:
		b.Append(true)
		seen := map[string]bool{}
		for i := len(r.Headers) - 1; i >= 0; i-- { // of a repeated header the last counts
			h := r.Headers[i]
			if seen[h.Key] {
				continue
			}
			seen[h.Key] = true
			b.KeyBuilder().(*array.StringBuilder).Append(h.Key)
			b.ItemBuilder().(*array.BinaryBuilder).Append(h.Value)
		}
	default:
		b.AppendNull()
	}
}

func timestampType(r *kgo.Record) string {
	switch r.Attrs.TimestampType() {
	case 0:
		return "CreateTime"
	case 1:
		return "LogAppendTime"
	}
	return "NoTimestampType"
}
