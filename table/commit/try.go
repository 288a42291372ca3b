package commit

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// try is one prepared snapshot and the files written for it.
type try struct {
	snapshot   *snapshot.Snapshot
	delta      []manifest.Entry
	changelog  []manifest.Entry
	messages   []Message
	created    []string // metadata files that only this try names
	won        bool
	unresolved bool // its put may or may not have happened
}

// landed settles tries whose outcome was open with what the history shows now,
// and returns the one that was published, if any.
func (r *run) landed() *try {
	latest := r.history.latest()
	for _, t := range r.tries {
		for _, s := range r.history.newer {
			if s.ID == t.snapshot.ID && s.Hash == t.snapshot.Hash {
				t.won, t.unresolved = true, false
				return t
			}
		}
		if t.unresolved && latest != nil && latest.ID >= t.snapshot.ID {
			t.unresolved = false // its number is taken by another: it can never land
		}
	}
	return nil
}

// prepare builds the next snapshot on latest and writes everything it names.
// Nil without error: there is nothing to commit.
func (r *run) prepare(ctx context.Context, latest *snapshot.Snapshot) (*try, error) {
	if err := r.c.mu.tail.advance(ctx, r, latest); err != nil {
		return nil, err
	}
	if err := r.rebase(ctx); err != nil {
		return nil, err
	}
	t := &try{messages: r.messages}
	base, err := r.collect(ctx, t, latest)
	if err != nil {
		return nil, err
	}
	if len(t.delta) == 0 && len(t.changelog) == 0 && !r.req.Force {
		return nil, nil
	}
	if err := r.judge(base, t.delta); err != nil {
		return nil, err
	}
	if err := r.write(ctx, t, latest); err != nil {
		r.c.manifests.DeleteAll(context.WithoutCancel(ctx), t.created)
		return nil, err
	}
	return t, nil
}

// rebase lets writers renumber rows of buckets that others wrote to meanwhile.
func (r *run) rebase(ctx context.Context) error {
	if r.req.Overwrite != nil {
		return nil // what is there goes
	}
	for i := range r.messages {
		m := &r.messages[i]
		highest, ok := r.c.mu.tail.highest[manifest.BucketID{Partition: string(m.Partition), Bucket: m.Bucket}]
		if m.Rebase == nil || len(m.Added) == 0 || !ok || highest < lowestSequence(m.Added) {
			continue
		}
		added, changelog, err := m.Rebase(ctx, highest)
		if err != nil {
			return fmt.Errorf("renumber rows of bucket %d above %d: %w", m.Bucket, highest, err)
		}
		if len(added) > 0 && lowestSequence(added) <= highest {
			return fmt.Errorf("renumber rows of bucket %d: still %d, not above %d", m.Bucket, lowestSequence(added), highest)
		}
		next := slices.Clone(r.messages) // the caller's slice stays as it is
		next[i].Added, next[i].Changelog = added, changelog
		maps.Copy(r.rebased, r.keysOf(r.messages[i:i+1]))
		maps.Copy(r.rebased, r.keysOf(next[i:i+1]))
		r.messages = next
	}
	return nil
}

func lowestSequence(files []manifest.DataFile) int64 {
	lowest := files[0].MinSequence
	for i := range files {
		lowest = min(lowest, files[i].MinSequence)
	}
	return lowest
}

// collect fills the try's entries and returns the live files beside which they
// are judged, nil where that is not needed.
func (r *run) collect(ctx context.Context, t *try, latest *snapshot.Snapshot) ([]manifest.Entry, error) {
	places := places{buckets: map[manifest.BucketID]bool{}}
	for i := range r.messages {
		m := &r.messages[i]
		places.buckets[manifest.BucketID{Partition: string(m.Partition), Bucket: m.Bucket}] = true
		t.delta = m.entries(t.delta, manifest.Delete, m.Removed)
		t.delta = m.entries(t.delta, manifest.Add, m.Added)
		t.changelog = m.entries(t.changelog, manifest.Add, m.Changelog)
	}
	if o := r.req.Overwrite; o != nil {
		places.match = o.Match
	} else if !needsBase(r.req.Kind, t.delta) {
		return nil, nil
	}
	if latest == nil {
		return nil, nil
	}
	base, err := r.c.manifests.ReadLive(ctx, []string{latest.BaseManifestList, latest.DeltaManifestList}, places)
	if err != nil {
		return nil, err
	}
	if places.match != nil {
		var removed []manifest.Entry
		for i := range base {
			if places.match(base[i].Partition) {
				e := base[i]
				e.Kind = manifest.Delete
				removed = append(removed, e)
			}
		}
		t.delta = append(removed, t.delta...)
	}
	return base, nil
}

func (m *Message) entries(to []manifest.Entry, kind manifest.EntryKind, files []manifest.DataFile) []manifest.Entry {
	for i := range files {
		to = append(to, manifest.Entry{Kind: kind, Partition: m.Partition, Bucket: m.Bucket, TotalBuckets: m.TotalBuckets, File: files[i]})
	}
	return to
}

// places keeps the files of some buckets and of partitions that match.
type places struct {
	buckets map[manifest.BucketID]bool
	match   func(partition []byte) bool
}

func (p places) Manifest(*manifest.Meta) bool { return true }
func (p places) File(*manifest.Entry) bool    { return true }
func (p places) Place(e *manifest.Entry) bool {
	return p.buckets[e.BucketID()] || p.match != nil && p.match(e.Partition)
}

func (r *run) judge(base, delta []manifest.Entry) error {
	if err := checkDelta(delta); err != nil {
		return err
	}
	if err := checkTotals(r.req.Kind, delta, r.c.mu.tail.totals); err != nil {
		return err
	}
	if !needsBase(r.req.Kind, delta) {
		return nil
	}
	var keys []schema.Type
	if r.schema.HasPrimaryKey() {
		keys = schema.TypesOf(r.schema.KeyFields())
	}
	return checkBase(base, delta, keys)
}

// write puts manifests and lists and fills in the snapshot.
func (r *run) write(ctx context.Context, t *try, latest *snapshot.Snapshot) error {
	files, partition := r.c.manifests, schema.TypesOf(r.schema.PartitionFields())
	s := &snapshot.Snapshot{
		Version: snapshot.FileVersion, ID: 1, SchemaID: int64(r.schema.ID), CommitUser: r.req.User, CommitIdentifier: r.req.Identifier,
		CommitKind: r.req.Kind, TimeMillis: r.c.opts.Now().UnixMilli(), Watermark: r.req.Watermark,
		Properties: mergeProperties(nil, r.req.Properties), NextRowID: new(int64),
	}
	var base []manifest.Meta
	if latest != nil {
		var err error
		if base, err = r.carryOver(ctx, t, s, latest, partition); err != nil {
			return err
		}
	}
	list := func(metas []manifest.Meta) (string, *int64, error) {
		name, size, err := files.WriteList(ctx, metas)
		t.created = append(t.created, name)
		return name, &size, err
	}
	entries := func(entries []manifest.Entry) ([]manifest.Meta, error) {
		if len(entries) == 0 {
			return nil, nil
		}
		m, err := files.WriteEntries(ctx, entries, partition, int64(r.schema.ID))
		t.created = append(t.created, m.FileName)
		return []manifest.Meta{m}, err
	}
	var err error
	if s.BaseManifestList, s.BaseManifestListSize, err = list(base); err != nil {
		return err
	}
	delta, err := entries(t.delta)
	if err != nil {
		return err
	}
	if s.DeltaManifestList, s.DeltaManifestListSize, err = list(delta); err != nil {
		return err
	}
	if len(t.changelog) > 0 {
		logs, err := entries(t.changelog)
		if err != nil {
			return err
		}
		if s.ChangelogManifestList, s.ChangelogManifestListSize, err = list(logs); err != nil {
			return err
		}
		n := countRows(t.changelog)
		s.ChangelogRecordCount = &n
	}
	s.DeltaRecordCount = countRows(t.delta)
	s.TotalRecordCount += s.DeltaRecordCount
	t.snapshot = s
	return nil
}

// carryOver takes from the snapshot before what the next one keeps, and merges
// its manifests. Only the first try merges: a loser would do the work in vain again.
func (r *run) carryOver(ctx context.Context, t *try, s, latest *snapshot.Snapshot, partition []schema.Type) ([]manifest.Meta, error) {
	s.ID = latest.ID + 1
	s.TimeMillis = max(s.TimeMillis, latest.TimeMillis) // time travel searches by rising times
	s.TotalRecordCount, s.IndexManifest = latest.TotalRecordCount, latest.IndexManifest
	if latest.NextRowID != nil {
		s.NextRowID = latest.NextRowID
	}
	if latest.Watermark != nil && (s.Watermark == nil || *s.Watermark < *latest.Watermark) {
		s.Watermark = latest.Watermark
	}
	if latest.SchemaID == s.SchemaID {
		s.Statistics = latest.Statistics
	}
	var base []manifest.Meta
	for _, name := range []string{latest.BaseManifestList, latest.DeltaManifestList} {
		metas, err := r.c.manifests.ReadList(ctx, name)
		if err != nil {
			return nil, err
		}
		base = append(base, metas...)
	}
	if len(r.tries) > 0 {
		return base, nil
	}
	merged, created, err := r.c.manifests.Merge(ctx, base, manifest.MergePolicyOf(r.opts), partition)
	t.created = append(t.created, created...)
	return merged, err
}

func countRows(entries []manifest.Entry) int64 {
	n := int64(0)
	for i := range entries {
		if entries[i].Kind == manifest.Add {
			n += entries[i].File.RowCount
		} else {
			n -= entries[i].File.RowCount
		}
	}
	return n
}

// cleanUp deletes what the tries left behind, after the outcome is certain:
// metadata of the tries that lost, and data files on the side of a rebase that
// did not count. Failures leave garbage, which is harmless.
func (r *run) cleanUp(ctx context.Context) {
	if len(r.tries) == 0 && len(r.rebased) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	kept := r.keysOf(r.req.Messages) // if nothing was published, what the caller brought stays
	r.settle()
	for _, t := range r.tries {
		if t.unresolved {
			return
		}
		if t.won {
			kept = r.keysOf(t.messages)
			continue
		}
		r.c.manifests.DeleteAll(ctx, t.created)
	}
	for key := range r.rebased {
		if !kept[key] {
			_ = r.c.store.Delete(ctx, key)
		}
	}
}

// settle ends the doubt about tries whose number another try of ours has taken.
func (r *run) settle() {
	for _, won := range r.tries {
		for _, t := range r.tries {
			if won.won && t != won && t.snapshot.ID <= won.snapshot.ID {
				t.unresolved = false
			}
		}
	}
}

// keysOf lists the files that messages add.
func (r *run) keysOf(messages []Message) map[string]bool {
	out := map[string]bool{}
	for i := range messages {
		m := &messages[i]
		for _, e := range m.entries(m.entries(nil, manifest.Add, m.Added), manifest.Add, m.Changelog) {
			if key, err := manifest.FileKey(r.schema, &e); err == nil {
				out[key] = true
			}
		}
	}
	return out
}
