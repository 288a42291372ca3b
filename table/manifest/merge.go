package manifest

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/table/schema"
)

// MergePolicy says when manifests are rewritten together; its fields are the
// table options of the same meaning.
type MergePolicy struct {
	TargetSize int64 // bytes; manifest.target-file-size
	MinCount   int   // manifest.merge-min-count
	FullSize   int64 // bytes; manifest.full-compaction-threshold-size
}

// MergePolicyOf reads the policy out of a table's options.
func MergePolicyOf(o schema.Options) MergePolicy {
	return MergePolicy{TargetSize: o.ManifestTargetSize, MinCount: o.ManifestMergeMinCount, FullSize: o.ManifestFullSize}
}

// mergeGroup is a run of manifests; those of more than one become one rewritten run.
type mergeGroup struct{ metas []Meta }

// planMinor groups manifests, in order, until each group reaches the target
// size; what is left at the end is grouped only if there is a lot of it. Pure.
func (p MergePolicy) planMinor(metas []Meta) []mergeGroup {
	var out []mergeGroup
	var cur mergeGroup
	size := int64(0)
	for _, m := range metas {
		cur.metas = append(cur.metas, m)
		size += m.FileSize
		if size >= p.TargetSize {
			out = append(out, cur)
			cur, size = mergeGroup{}, 0
		}
	}
	if len(cur.metas) >= max(p.MinCount, 2) {
		return append(out, cur)
	}
	for _, m := range cur.metas {
		out = append(out, mergeGroup{metas: []Meta{m}})
	}
	return out
}

// mustRewrite marks manifests that a full merge takes up: they are small or
// hold deletes.
func (p MergePolicy) mustRewrite(m *Meta) bool { return m.NumDeleted > 0 || m.FileSize < p.TargetSize }

// needsFull reports whether enough is small or deleted to rewrite everything. Pure.
func (p MergePolicy) needsFull(metas []Meta) bool {
	size := int64(0)
	for i := range metas {
		if p.mustRewrite(&metas[i]) {
			size += metas[i].FileSize
		}
	}
	return len(metas) > 1 && size >= p.FullSize
}

// Merge rewrites the base manifests of a snapshot where the policy asks for it.
// It returns the manifests to list instead, and the files it wrote, which the
// caller deletes if the commit fails.
func (f *Files) Merge(ctx context.Context, metas []Meta, p MergePolicy, partition []schema.Type) (out []Meta, created []string, err error) {
	defer func() {
		if err != nil {
			f.DeleteAll(context.WithoutCancel(ctx), created)
			out, created = nil, nil
		}
	}()
	if p.needsFull(metas) {
		return f.mergeFull(ctx, metas, p, partition)
	}
	for _, g := range p.planMinor(metas) {
		if len(g.metas) == 1 {
			out = append(out, g.metas[0])
			continue
		}
		var all []Entry
		for i := range g.metas {
			entries, err := f.ReadManifest(ctx, &g.metas[i])
			if err != nil {
				return out, created, err
			}
			all = append(all, entries...)
		}
		merged, err := merge(all)
		if err != nil {
			return out, created, fmt.Errorf("merge manifests: %w", err)
		}
		written, err := f.writeRolling(ctx, merged, g.metas, p, partition)
		created = append(created, namesOf(written)...)
		out = append(out, written...)
		if err != nil {
			return out, created, err
		}
	}
	return out, created, nil
}

func (f *Files) mergeFull(ctx context.Context, metas []Meta, p MergePolicy, partition []schema.Type) ([]Meta, []string, error) {
	deleted := map[Identity]bool{}
	for i := range metas {
		if metas[i].NumDeleted == 0 {
			continue
		}
		entries, err := f.ReadManifest(ctx, &metas[i])
		if err != nil {
			return nil, nil, err
		}
		for j := range entries {
			if entries[j].Kind == Delete {
				deleted[entries[j].Identity()] = true
			}
		}
	}
	var kept, rewritten []Meta
	var live []Entry
	for i := range metas {
		entries, err := f.ReadManifest(ctx, &metas[i])
		if err != nil {
			return nil, nil, err
		}
		rewrite := p.mustRewrite(&metas[i])
		mine := make([]Entry, 0, len(entries))
		for j := range entries {
			if entries[j].Kind == Delete {
				continue
			}
			if deleted[entries[j].Identity()] {
				rewrite = true
				continue
			}
			mine = append(mine, entries[j])
		}
		if !rewrite {
			kept = append(kept, metas[i])
			continue
		}
		live = append(live, mine...)
		rewritten = append(rewritten, metas[i])
	}
	written, err := f.writeRolling(ctx, live, rewritten, p, partition)
	return append(kept, written...), namesOf(written), err
}

// writeRolling writes entries as manifests of about the target size, judging an
// entry's size by that of the manifests they came from.
func (f *Files) writeRolling(ctx context.Context, entries []Entry, from []Meta, p MergePolicy, partition []schema.Type) ([]Meta, error) {
	var size, count, schemaID int64
	for i := range from {
		size += from[i].FileSize
		count += from[i].NumAdded + from[i].NumDeleted
		schemaID = max(schemaID, from[i].SchemaID)
	}
	chunk := len(entries)
	if size > 0 && count > 0 {
		chunk = int(max(1, p.TargetSize*count/size))
	}
	var out []Meta
	for len(entries) > 0 {
		n := min(chunk, len(entries))
		m, err := f.WriteEntries(ctx, entries[:n], partition, schemaID)
		if err != nil {
			return out, err
		}
		out = append(out, m)
		entries = entries[n:]
	}
	return out, nil
}

func namesOf(metas []Meta) []string {
	out := make([]string, len(metas))
	for i := range metas {
		out[i] = metas[i].FileName
	}
	return out
}

// DeleteAll removes files that nothing refers to; failures leave garbage, which
// is harmless, so they are not reported.
func (f *Files) DeleteAll(ctx context.Context, names []string) {
	for _, n := range names {
		_ = f.store.Delete(ctx, Key(n))
	}
}
