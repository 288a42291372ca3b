package kafka

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/internal/errkind"
)

// earliestEvery is how often the beginnings of the logs are looked at; a fetch finds what
// retention removed in between.
const earliestEvery = 5 * time.Second

// source reads the partitions of a table. It is used by one goroutine at a time.
type source struct {
	opts     options
	fields   []connector.Field
	cluster  *cluster
	now      func() time.Time
	decoders decoders

	refreshed time.Time
	checked   time.Time               // when the beginnings were looked at
	starts    map[partition]int64     // of partitions that no recorded position names yet
	ends      map[partition]int64     // of a bounded scan; nil while unknown or unbounded
	fetched   map[partition]*prefetch // read beyond what was asked for
	behind    atomic.Int64            // records beyond the last poll, plus one; 0: not polled yet
}

// Behind implements connector.Lagging, in records.
func (s *source) Behind() int64 { return s.behind.Load() - 1 }

func openSource(ctx context.Context, c connector.Context) (*source, error) {
	o, err := parse(c.Table, c.Options)
	if err != nil {
		return nil, err
	}
	if c.Bounded && o.end.mode == modeUnbounded {
		o.end.mode = modeLatest
	}
	fields := connector.Fields(c.Table)
	d, err := o.decoders(fields)
	if err != nil {
		return nil, err
	}
	client, err := o.client.connect()
	if err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "kafka: %w", err)
	}
	s := &source{
		opts: o, fields: fields, decoders: d, now: c.Now, starts: map[partition]int64{}, fetched: map[partition]*prefetch{},
		cluster: &cluster{client: client, opts: &o},
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, ctx.Err()
}

// refresh learns of new partitions, at the first use and after each discovery interval.
func (s *source) refresh(ctx context.Context, force bool) error {
	now := s.now()
	if !force && !s.refreshed.IsZero() && (s.opts.discovery == 0 || now.Sub(s.refreshed) < s.opts.discovery) {
		return nil
	}
	if err := s.cluster.refresh(ctx); err != nil {
		return err
	}
	if len(s.cluster.places) > 0 || s.opts.pattern != nil {
		s.refreshed = now // else look again at the next use
	}
	return nil
}

// positions are the recorded positions by partition; the topics must be the recorded ones.
func (s *source) positions(o connector.Offsets) (map[partition]position, error) {
	out := make(map[partition]position, len(o))
	for split, text := range o {
		p, err := parseSplit(split)
		if err != nil {
			return nil, err
		}
		pos, err := parsePosition(split, text)
		if err != nil {
			return nil, err
		}
		if _, err := s.cluster.check(p, pos); err != nil {
			return nil, err
		}
		out[p] = pos
	}
	return out, nil
}

// Poll implements connector.Source. The first position of a partition is offered even if
// there is nothing to read, so that "latest" is decided once.
func (s *source) Poll(ctx context.Context, from connector.Offsets, maxRows int) (connector.Offsets, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if err := s.refresh(ctx, false); err != nil {
		return nil, false, err
	}
	at, err := s.positions(from)
	if err != nil {
		return nil, false, err
	}
	parts := s.cluster.sorted()
	if len(parts) == 0 && s.opts.pattern == nil {
		return nil, false, errkind.Errorf(errkind.NotFound, "kafka: topic %s does not exist", strings.Join(s.opts.topics, ";"))
	}
	if err := s.begin(ctx, parts, at, len(from) == 0); err != nil {
		return nil, false, err
	}
	end, err := s.cluster.offsets(ctx, parts, latest)
	if err != nil {
		return nil, false, err
	}
	if err := s.bound(ctx, parts); err != nil {
		return nil, false, err
	}
	if err := s.inRange(ctx, parts, at, end); err != nil {
		return nil, false, err
	}
	to, moved, done, behind := from, false, true, int64(0)
	left := int64(max(maxRows, 0))
	for i, p := range parts {
		pos := at[p]
		_, known := from[p.split()]
		stop := end[p]
		if s.ends != nil {
			stop = min(stop, s.ends[p])
		}
		// What is left is shared evenly, so that a long partition does not starve the others.
		share := (left + int64(len(parts)-i) - 1) / int64(len(parts)-i)
		if n := min(stop-pos.offset, share); n > 0 {
			pos.offset += n
			left -= n
			known = false
		}
		if !known {
			if !moved {
				to, moved = from.Clone(), true
			}
			to[p.split()] = pos.String()
		}
		done = done && s.ends != nil && pos.offset >= s.ends[p]
		behind += max(0, stop-pos.offset)
	}
	s.behind.Store(behind + 1)
	return to, done && s.ends != nil, nil
}

// begin decides where partitions without a recorded position start: by scan.startup.mode at
// the very start, at their beginning if they appeared later.
func (s *source) begin(ctx context.Context, parts []partition, at map[partition]position, first bool) error {
	var fresh []partition
	for _, p := range parts {
		if _, ok := at[p]; !ok {
			if _, ok := s.starts[p]; !ok {
				fresh = append(fresh, p)
			}
		}
	}
	if len(fresh) > 0 {
		b := bound{mode: modeEarliest}
		if first {
			b = s.opts.start
		}
		found, err := s.cluster.resolve(ctx, fresh, b)
		if err != nil {
			return err
		}
		for p, o := range found {
			s.starts[p] = o
		}
	}
	for _, p := range parts {
		if _, ok := at[p]; !ok {
			at[p] = position{start: s.starts[p], offset: s.starts[p], topicID: s.cluster.places[p].hexID}
		}
	}
	return nil
}

// bound decides, once, where a bounded scan ends.
func (s *source) bound(ctx context.Context, parts []partition) error {
	if s.opts.end.mode == modeUnbounded || s.ends != nil {
		return nil
	}
	ends, err := s.cluster.resolve(ctx, parts, s.opts.end)
	if err == nil {
		s.ends = ends
	}
	return err
}

// inRange finds positions that the log does not hold any more.
func (s *source) inRange(ctx context.Context, parts []partition, at map[partition]position, end map[partition]int64) error {
	now := s.now()
	look := s.checked.IsZero() || now.Sub(s.checked) >= earliestEvery
	var begin map[partition]int64
	if look {
		var err error
		if begin, err = s.cluster.offsets(ctx, parts, earliest); err != nil {
			return err
		}
		s.checked = now
	}
	for _, p := range parts {
		if at[p].offset > end[p] {
			return lost(p, "offset %d is behind the end of the log, %d: the topic was truncated or made again", at[p].offset, end[p])
		}
		if look && at[p].offset < begin[p] {
			return lost(p, "offset %d is before the beginning of the log, %d: retention has removed it", at[p].offset, begin[p])
		}
	}
	return nil
}

// Read implements connector.Source: partition after partition, each in offset order.
func (s *source) Read(ctx context.Context, from, to connector.Offsets, fn func(connector.Chunk) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.refresh(ctx, false); err != nil {
		return err
	}
	start, err := s.positions(from)
	if err != nil {
		return err
	}
	end, err := s.positions(to)
	if err != nil {
		return err
	}
	parts := make([]partition, 0, len(end))
	for p := range end {
		parts = append(parts, p)
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].split() < parts[j].split() })
	b, err := format.NewBatch(memory.DefaultAllocator, s.fields)
	if err != nil {
		return err
	}
	defer b.Release()
	for _, p := range parts {
		begin := end[p].start
		if pos, ok := start[p]; ok {
			begin = pos.offset
		}
		if err := s.readPartition(ctx, extent{p, begin, end[p].offset}, b, fn); err != nil {
			return err
		}
	}
	return flush(b, fn)
}

func flush(b *format.Batch, fn func(connector.Chunk) error) error {
	if b.Len() == 0 && b.DeadLen() == 0 {
		return nil
	}
	c, err := b.Flush()
	if err != nil {
		return err
	}
	defer c.Rows.Release()
	return connector.Cut(c, fn)
}

// Commit implements connector.Source: the group's offsets, if there is a group.
func (s *source) Commit(ctx context.Context, upTo connector.Offsets) error {
	if s.opts.client.group == "" || len(upTo) == 0 {
		return ctx.Err()
	}
	if err := s.refresh(ctx, false); err != nil {
		return err
	}
	at, err := s.positions(upTo)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = s.opts.client.group, -1
	topics := map[string]int{}
	for p, pos := range at {
		i, ok := topics[p.topic]
		if !ok {
			i = len(req.Topics)
			topics[p.topic] = i
			rt := kmsg.NewOffsetCommitRequestTopic()
			rt.Topic, rt.TopicID = p.topic, s.cluster.places[p].id
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset = p.number, pos.offset
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	return patiently(ctx, func() error { return s.commit(ctx, req) })
}

func (s *source) commit(ctx context.Context, req *kmsg.OffsetCommitRequest) error {
	resp, err := req.RequestWith(ctx, s.cluster.client)
	if err != nil {
		return wrap("commit offsets of group "+req.Group, err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return wrap(fmt.Sprintf("commit offset of %s/%d for group %s", t.Topic, p.Partition, req.Group), err)
			}
		}
	}
	return nil
}

// Close implements connector.Source.
func (s *source) Close() error {
	s.cluster.client.Close()
	return nil
}
