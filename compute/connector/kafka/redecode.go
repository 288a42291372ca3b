package kafka

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
)

// positionPrefix begins the position of a dead letter; the offset follows.
const positionPrefix = "offset "

// Redecode implements connector.Redecoder. The message is read again from its topic, with its key and headers; where
// retention has removed it, what was kept of it must do.
func (s *source) Redecode(ctx context.Context, d connector.DeadLetter) (connector.Chunk, error) {
	p, err := parseSplit(d.Split)
	if err != nil || !slices.Contains(s.opts.topics, p.topic) && (s.opts.pattern == nil || !s.opts.pattern.MatchString(p.topic)) {
		return connector.Chunk{}, connector.ErrOtherTable
	}
	offset, err := strconv.ParseInt(strings.TrimPrefix(d.Position, positionPrefix), 10, 64)
	if err != nil || offset < 0 {
		return d.Still("its position %q is not an offset", d.Position), nil
	}
	if err := s.refresh(ctx, false); err != nil {
		return connector.Chunk{}, err
	}
	r, err := s.again(ctx, p, offset, d)
	if err != nil {
		return connector.Chunk{}, err
	}
	if r == nil {
		if why := s.needsMore(d); why != "" {
			return d.Still("the message is not in the topic any more, and %s", why), nil
		}
		r = &kgo.Record{Topic: p.topic, Partition: p.number, Offset: offset, Value: d.Raw}
	}
	b, err := format.NewBatch(memory.DefaultAllocator, s.fields)
	if err != nil {
		return connector.Chunk{}, err
	}
	defer b.Release()
	if _, _, err := s.decode(r, b); err != nil {
		return d.Still("%v", err), nil
	}
	return b.Flush()
}

// again fetches the message of the dead letter; nil when it is gone, or another message has its offset now.
func (s *source) again(ctx context.Context, p partition, offset int64, d connector.DeadLetter) (*kgo.Record, error) {
	if _, ok := s.cluster.places[p]; !ok {
		return nil, nil
	}
	begin, err := s.cluster.offsets(ctx, []partition{p}, earliest)
	if err != nil {
		return nil, err
	}
	end, err := s.cluster.offsets(ctx, []partition{p}, latest)
	if err != nil {
		return nil, err
	}
	if offset < begin[p] || offset >= end[p] {
		return nil, nil
	}
	records, _, err := s.fetch(ctx, p, offset)
	if errors.Is(err, connector.ErrPositionLost) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Offset == offset && (bytes.Equal(connector.Trim(r.Value), d.Raw) || bytes.Equal(connector.Trim(r.Key), d.Raw)) {
			return r, nil
		}
	}
	return nil, nil
}

// needsMore says what the table needs of a message that a dead letter does not keep.
func (s *source) needsMore(d connector.DeadLetter) string {
	if !d.Whole() {
		return "only its beginning was kept"
	}
	if s.decoders.key != nil {
		return "its key was not kept"
	}
	for _, f := range s.fields {
		if f.Metadata != "" && f.Metadata != "topic" && f.Metadata != "partition" && f.Metadata != "offset" {
			return "its " + f.Metadata + " was not kept"
		}
	}
	return ""
}
