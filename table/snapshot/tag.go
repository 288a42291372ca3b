package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

const (
	tagDir      = "tag/"
	tagPrefix   = "tag-"
	consumerDir = "consumer/"
	consumerPre = "consumer-"
)

// ErrExists: a tag or branch of that name is there already.
var ErrExists = errkind.New(errkind.Exists, "snapshot: name exists already")

// Tag is a named snapshot that expiry keeps. Its file is the snapshot's JSON
// and two fields more.
type Tag struct {
	Name     string
	Snapshot *Snapshot
	Created  time.Time     // tagCreateTime, the writer's wall clock as if UTC; zero: not stored
	Retained time.Duration // tagTimeRetained; 0: kept until deleted
}

// Expired reports whether the tag's time is over at now, given on the clock of
// Created.
func (t *Tag) Expired(now time.Time) bool {
	return t.Retained > 0 && !t.Created.IsZero() && now.After(t.Created.Add(t.Retained))
}

// TagKey is the key of a tag, relative to the table.
func (m *Manager) TagKey(name string) string { return m.prefix + tagDir + tagPrefix + name }

// CheckName refuses names of tags, branches and consumers that cannot be file names.
func CheckName(what, name string) error {
	if name == "" || strings.ContainsAny(name, "/\\\x00") || name == "." || name == ".." || strings.TrimSpace(name) != name || !utf8.ValidString(name) {
		return errkind.Errorf(errkind.Invalid, "%s name %q: it must be UTF-8, not be empty, contain a slash or begin or end with a space", what, name)
	}
	return nil
}

// CreateTag names the snapshot; retained 0 keeps the tag until it is deleted.
// A tag of that name must not exist: ErrExists.
func (m *Manager) CreateTag(ctx context.Context, t Tag) error {
	if err := CheckName("tag", t.Name); err != nil {
		return err
	}
	data, err := t.encode()
	if err != nil {
		return err
	}
	err = m.store.PutIfAbsent(ctx, m.TagKey(t.Name), data)
	if errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("create tag %q: %w", t.Name, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("create tag %q: %w", t.Name, err)
	}
	return nil
}

// PutTag is CreateTag that moves a tag which is there already.
func (m *Manager) PutTag(ctx context.Context, t Tag) error {
	if err := CheckName("tag", t.Name); err != nil {
		return err
	}
	data, err := t.encode()
	if err != nil {
		return err
	}
	if err := m.store.Put(ctx, m.TagKey(t.Name), data); err != nil {
		return fmt.Errorf("write tag %q: %w", t.Name, err)
	}
	return nil
}

// DeleteTag removes the name; files that only it kept go at the next expiry.
func (m *Manager) DeleteTag(ctx context.Context, name string) error {
	if _, err := m.Tag(ctx, name); err != nil {
		return err
	}
	if err := m.store.Delete(ctx, m.TagKey(name)); err != nil {
		return fmt.Errorf("delete tag %q: %w", name, err)
	}
	return nil
}

// Tag reads one tag.
func (m *Manager) Tag(ctx context.Context, name string) (*Tag, error) {
	if err := CheckName("tag", name); err != nil {
		return nil, err
	}
	data, err := objstore.ReadAll(ctx, m.store, m.TagKey(name))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("tag %q of %s: %w", name, m.store.URI(m.prefix), ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read tag %q: %w", name, err)
	}
	t, err := ParseTag(name, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.store.URI(m.TagKey(name)), err)
	}
	return t, nil
}

// Tags reads all tags, ordered by name.
func (m *Manager) Tags(ctx context.Context) ([]*Tag, error) {
	names, err := m.names(ctx, tagDir, tagPrefix)
	if err != nil {
		return nil, err
	}
	out := make([]*Tag, 0, len(names))
	for _, n := range names {
		t, err := m.Tag(ctx, n)
		if errors.Is(err, ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// TagCache keeps the tags of one table that were read before, so that a table with hundreds of them is looked through
// by one listing. The zero value is ready; it is safe for concurrent use.
type TagCache struct {
	// Lean leaves properties and unknown fields out of the tags' snapshots: they need most of the memory and say nothing
	// about files.
	Lean bool

	mu   sync.Mutex
	tags map[string]cachedTag // by name
}

// cachedTag is a tag as it was in the object with the ETag.
type cachedTag struct {
	tag  *Tag
	etag string
}

// TagsCached is Tags, reading only what has changed since the cache saw it. The tags must not be changed.
func (m *Manager) TagsCached(ctx context.Context, c *TagCache) ([]*Tag, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var infos []objstore.Info
	prefix := m.TagKey("")
	err := m.store.List(ctx, prefix, func(i objstore.Info) error {
		infos = append(infos, i)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", m.store.URI(prefix), err)
	}
	next := make(map[string]cachedTag, len(infos))
	out := make([]*Tag, 0, len(infos))
	for _, i := range infos {
		name := strings.TrimPrefix(i.Key, prefix)
		if name == "" || strings.Contains(name, "/") {
			continue
		}
		known := c.tags[name]
		if i.ETag == "" || known.etag != i.ETag {
			t, err := m.Tag(ctx, name)
			if errors.Is(err, ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return nil, err
			}
			if c.Lean {
				t.Snapshot.Properties, t.Snapshot.Extra = nil, nil
			}
			known = cachedTag{t, i.ETag}
		}
		next[name] = known
		out = append(out, known.tag)
	}
	c.tags = next
	return out, nil
}

func (m *Manager) names(ctx context.Context, folder, prefix string) ([]string, error) {
	all, err := m.store.ListDirs(ctx, strings.TrimSuffix(m.prefix+folder, "/"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", m.store.URI(m.prefix+folder), err)
	}
	var out []string
	for _, n := range all {
		if name, ok := strings.CutPrefix(n, prefix); ok && name != "" {
			out = append(out, name)
		}
	}
	return out, nil
}

// ParseTag reads a tag file.
func ParseTag(name string, data []byte) (*Tag, error) {
	s, err := Parse(data)
	if err != nil {
		return nil, err
	}
	t := &Tag{Name: name, Snapshot: s}
	if raw, ok := s.Extra["tagCreateTime"]; ok {
		if t.Created, err = parseLocalTime(raw); err != nil {
			return nil, errkind.Errorf(errkind.Corrupt, "tagCreateTime: %w", err)
		}
		delete(s.Extra, "tagCreateTime")
	}
	if raw, ok := s.Extra["tagTimeRetained"]; ok {
		if t.Retained, err = parseSeconds(raw); err != nil {
			return nil, errkind.Errorf(errkind.Corrupt, "tagTimeRetained: %w", err)
		}
		delete(s.Extra, "tagTimeRetained")
	}
	return t, nil
}

func (t Tag) encode() ([]byte, error) {
	s := t.Snapshot.Clone()
	if t.Retained > 0 {
		if s.Extra == nil {
			s.Extra = map[string]json.RawMessage{}
		}
		c := t.Created
		s.Extra["tagCreateTime"] = json.RawMessage(fmt.Sprintf("[%d,%d,%d,%d,%d,%d,%d]",
			c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), c.Nanosecond()))
		s.Extra["tagTimeRetained"] = json.RawMessage(fmt.Sprintf("%d.%09d", t.Retained/time.Second, t.Retained%time.Second))
	}
	return s.Seal()
}

// parseLocalTime reads Jackson's array of year, month, day, hour, minute and
// perhaps second and nanosecond; null is no time.
func parseLocalTime(raw json.RawMessage) (time.Time, error) {
	var n []int
	if err := json.Unmarshal(raw, &n); err != nil {
		return time.Time{}, err
	}
	if n == nil {
		return time.Time{}, nil
	}
	if len(n) < 5 || len(n) > 7 {
		return time.Time{}, fmt.Errorf("%s is no array of 5 to 7 numbers", raw)
	}
	n = append(n, 0, 0)
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], time.UTC), nil
}

// parseSeconds reads a decimal number of seconds; null is 0.
func parseSeconds(raw json.RawMessage) (time.Duration, error) {
	if string(raw) == "null" {
		return 0, nil
	}
	const digitsMax = 40 // a longer number is no time, and big.Rat would work on it for long
	if len(raw) > digitsMax {
		return 0, fmt.Errorf("%.40s is no number of seconds", raw)
	}
	if i := strings.IndexAny(string(raw), "eE"); i >= 0 {
		return 0, fmt.Errorf("%s: exponents are not expected", raw)
	}
	r, ok := new(big.Rat).SetString(string(raw))
	if !ok {
		return 0, fmt.Errorf("%s is no number of seconds", raw)
	}
	r.Mul(r, new(big.Rat).SetInt64(int64(time.Second)))
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() || n.Sign() < 0 {
		return 0, fmt.Errorf("%s seconds are out of range", raw)
	}
	return time.Duration(n.Int64()), nil
}

// Consumer is a reader's promise to continue at snapshot Next: expiry keeps
// what it needs.
type Consumer struct {
	ID      string
	Next    ID
	Updated time.Time // when its file was last written, by the store's clock
}

// Consumers reads all consumers, ordered by id.
func (m *Manager) Consumers(ctx context.Context) ([]Consumer, error) {
	names, err := m.names(ctx, consumerDir, consumerPre)
	if err != nil {
		return nil, err
	}
	var out []Consumer
	for _, n := range names {
		key := m.prefix + consumerDir + consumerPre + n
		info, err := m.store.Stat(ctx, key)
		if errors.Is(err, objstore.ErrNotFound) {
			continue
		}
		var data []byte
		if err == nil {
			data, err = objstore.ReadAll(ctx, m.store, key)
		}
		if err != nil {
			return nil, fmt.Errorf("read consumer %q: %w", n, err)
		}
		next, err := ParseConsumer(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.store.URI(key), err)
		}
		out = append(out, Consumer{ID: n, Next: next, Updated: info.ModTime})
	}
	return out, nil
}

// ParseConsumer reads a consumer file.
func ParseConsumer(data []byte) (ID, error) {
	var f struct {
		Next *ID `json:"nextSnapshot"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return 0, errkind.Errorf(errkind.Corrupt, "parse consumer: %w", err)
	}
	if f.Next == nil || *f.Next < 0 {
		return 0, errkind.Errorf(errkind.Corrupt, "parse consumer: nextSnapshot is missing or negative")
	}
	return *f.Next, nil
}

// PutConsumer records that a reader goes on at snapshot next.
func (m *Manager) PutConsumer(ctx context.Context, id string, next ID) error {
	if err := CheckName("consumer", id); err != nil {
		return err
	}
	if err := m.store.Put(ctx, m.prefix+consumerDir+consumerPre+id, fmt.Appendf(nil, `{"nextSnapshot":%d}`, next)); err != nil {
		return fmt.Errorf("write consumer %q: %w", id, err)
	}
	return nil
}

// DeleteConsumer removes a reader's promise; a missing one is no error.
func (m *Manager) DeleteConsumer(ctx context.Context, id string) error {
	if err := CheckName("consumer", id); err != nil {
		return err
	}
	if err := m.store.Delete(ctx, m.prefix+consumerDir+consumerPre+id); err != nil {
		return fmt.Errorf("delete consumer %q: %w", id, err)
	}
	return nil
}

// Branches lists the table's branches, without main.
func (m *Manager) Branches(ctx context.Context) ([]string, error) {
	root := &Manager{store: m.store}
	return root.names(ctx, "branch/", "branch-")
}
