package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// partition is one split.
type partition struct {
	topic  string
	number int32
}

func (p partition) split() string { return p.topic + "/" + strconv.Itoa(int(p.number)) }

func parseSplit(s string) (partition, error) {
	topic, number, _ := strings.Cut(s, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || topic == "" || n < 0 {
		return partition{}, errkind.Errorf(errkind.Corrupt, "kafka: split %q is not <topic>/<partition>", s)
	}
	return partition{topic, int32(n)}, nil
}

// position of a split: what is read is [start, offset) of the topic with that id.
type position struct {
	start, offset int64
	topicID       string // hexadecimal; empty for brokers without topic ids
}

func (p position) String() connector.Position {
	return connector.Position(fmt.Sprintf("%d:%d:%s", p.start, p.offset, p.topicID))
}

func parsePosition(split string, text connector.Position) (position, error) {
	parts := strings.Split(string(text), ":")
	if len(parts) == 3 {
		start, err1 := strconv.ParseInt(parts[0], 10, 64)
		offset, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 == nil && err2 == nil && start >= 0 && offset >= start {
			return position{start, offset, parts[2]}, nil
		}
	}
	return position{}, errkind.Errorf(errkind.Corrupt, "kafka: position %q of %s is not <start>:<offset>:<topic id>", text, split)
}

// place is where a partition lies now.
type place struct {
	leader int32
	id     [16]byte
	hexID  string
}

// cluster answers questions about the table's topics.
type cluster struct {
	client *kgo.Client
	opts   *options
	places map[partition]place
}

// wrap gives an error of the client its kind.
func wrap(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return errkind.Errorf(errkind.NotFound, "kafka: %s: %w", what, err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.SaslAuthenticationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return errkind.Errorf(errkind.Denied, "kafka: %s: %w", what, err)
	}
	return errkind.Errorf(errkind.Unavailable, "kafka: %s: %w", what, err)
}

// refresh asks for the partitions of the table's topics.
func (c *cluster) refresh(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	if c.opts.pattern != nil {
		req.Topics = nil // all
	}
	for _, t := range c.opts.topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return wrap("ask for topics at "+strings.Join(c.opts.client.brokers, ","), err)
	}
	places := map[partition]place{}
	for _, t := range resp.Topics {
		if t.Topic == nil || c.opts.pattern != nil && (!c.opts.pattern.MatchString(*t.Topic) || t.IsInternal) {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return wrap("ask for topic "+*t.Topic, err)
		}
		for _, p := range t.Partitions {
			pl := place{leader: p.Leader, id: t.TopicID}
			if t.TopicID != [16]byte{} {
				pl.hexID = hex.EncodeToString(t.TopicID[:])
			}
			places[partition{*t.Topic, p.Partition}] = pl
		}
	}
	c.places = places
	return nil
}

// sorted are the partitions in the order in which they are read.
func (c *cluster) sorted() []partition {
	out := make([]partition, 0, len(c.places))
	for p := range c.places {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].topic != out[j].topic {
			return out[i].topic < out[j].topic
		}
		return out[i].number < out[j].number
	})
	return out
}

// Special timestamps of ListOffsets.
const (
	latest   = -1
	earliest = -2
)

// offsets asks for the first offset at or after a time, or the ends of the log; -1 if there is none.
func (c *cluster) offsets(ctx context.Context, parts []partition, at int64) (map[partition]int64, error) {
	byTopic := map[string][]int32{}
	for _, p := range parts {
		byTopic[p.topic] = append(byTopic[p.topic], p.number)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = c.opts.client.isolation()
	for topic, numbers := range byTopic {
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		for _, n := range numbers {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = n, at
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	out := make(map[partition]int64, len(parts))
	if len(parts) == 0 {
		return out, nil
	}
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return nil, wrap("ask for offsets", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, wrap(fmt.Sprintf("ask for offsets of %s/%d", t.Topic, p.Partition), err)
			}
			out[partition{t.Topic, p.Partition}] = p.Offset
		}
	}
	for _, p := range parts {
		if _, ok := out[p]; !ok {
			return nil, errkind.Errorf(errkind.Unavailable, "kafka: no answer for the offsets of %s", p.split())
		}
	}
	return out, nil
}

// retryEvery is the pause before a coordinator that is just starting, or a new leader, is asked again.
const retryEvery = 100 * time.Millisecond

// patiently repeats ask while the group's coordinator is starting or moving, for retryTimeout.
func patiently(ctx context.Context, ask func() error) error {
	for waited := time.Duration(0); ; waited += retryEvery {
		err := ask()
		starting := errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator)
		if !starting || waited >= retryTimeout {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// groupOffsets are the committed offsets of the group; -1 where there is none.
func (c *cluster) groupOffsets(ctx context.Context, parts []partition) (out map[partition]int64, err error) {
	err = patiently(ctx, func() error {
		out, err = c.askGroup(ctx, parts)
		return err
	})
	return out, err
}

func (c *cluster) askGroup(ctx context.Context, parts []partition) (map[partition]int64, error) {
	out := make(map[partition]int64, len(parts))
	byTopic := map[string][]int32{}
	for _, p := range parts {
		out[p] = -1
		byTopic[p.topic] = append(byTopic[p.topic], p.number)
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = c.opts.client.group
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = req.Group
	for topic, numbers := range byTopic {
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = topic, numbers
		req.Topics = append(req.Topics, rt)
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = topic, numbers
		gt.TopicID = c.places[partition{topic, numbers[0]}].id
		group.Topics = append(group.Topics, gt)
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // a group that never committed has no offsets
		return nil, wrap("ask for the offsets of group "+req.Group, err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				out[partition{t.Topic, p.Partition}] = p.Offset
			}
		}
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, wrap("ask for the offsets of group "+req.Group, err)
		}
		for _, t := range g.Topics {
			name := t.Topic
			for p, pl := range c.places {
				if name == "" && pl.id == t.TopicID {
					name = p.topic
				}
			}
			for _, p := range t.Partitions {
				if p.ErrorCode == 0 {
					out[partition{name, p.Partition}] = p.Offset
				}
			}
		}
	}
	return out, nil
}

// resolve turns a bound into offsets of the partitions. Timestamps behind the last message
// and missing group offsets fall to the end of the log, or to what auto.offset.reset says.
func (c *cluster) resolve(ctx context.Context, parts []partition, b bound) (map[partition]int64, error) {
	switch b.mode {
	case modeEarliest:
		return c.offsets(ctx, parts, earliest)
	case modeLatest:
		return c.offsets(ctx, parts, latest)
	}
	var out map[partition]int64
	var err error
	switch b.mode {
	case modeTimestamp:
		out, err = c.offsets(ctx, parts, b.millis)
	case modeGroup:
		out, err = c.groupOffsets(ctx, parts)
	case modeSpecific:
		out = make(map[partition]int64, len(parts))
		for _, p := range parts {
			out[p] = -1
			if o, ok := b.specific[p.number]; ok {
				out[p] = o
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return out, c.fill(ctx, out, b)
}

// fill replaces the offsets that are -1.
func (c *cluster) fill(ctx context.Context, out map[partition]int64, b bound) error {
	var missing []partition
	for p, o := range out {
		if o < 0 {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	at := int64(latest)
	switch {
	case b.mode == modeSpecific:
		at = earliest // Flink: partitions that are not listed start where the group would; we have none
	case b.mode == modeGroup && c.opts.client.reset == "none":
		return errkind.Errorf(errkind.Invalid, "kafka: group %s has no offset for %s: set 'properties.auto.offset.reset' or another 'scan.startup.mode'",
			c.opts.client.group, missing[0].split())
	case b.mode == modeGroup && c.opts.client.reset == "earliest":
		at = earliest
	}
	found, err := c.offsets(ctx, missing, at)
	for p, o := range found {
		out[p] = o
	}
	return err
}

// lost names a position that cannot be read any more.
func lost(p partition, format string, args ...any) error {
	return errkind.Errorf(errkind.Corrupt, "%w: %s: %s; start the job over, or from another offset",
		connector.ErrPositionLost, p.split(), fmt.Sprintf(format, args...))
}

// check finds the partition of a recorded position.
func (c *cluster) check(p partition, pos position) (place, error) {
	pl, ok := c.places[p]
	switch {
	case !ok:
		return pl, lost(p, "the topic or partition is gone")
	case pos.topicID != "" && pl.hexID != "" && pos.topicID != pl.hexID:
		return pl, lost(p, "the topic was deleted and made again (id %s, now %s)", pos.topicID, pl.hexID)
	}
	return pl, nil
}
