package manifest

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/internal/errkind"
)

// Live replays entries in order and returns the files that are left, in the
// order in which they were added. An add of a file that is there, or a delete
// of one that is not, is an error of kind corrupt.
func Live(entries []Entry) ([]Entry, error) {
	left, err := merge(entries)
	if err != nil {
		return nil, err
	}
	for i := range left {
		if left[i].Kind == Delete {
			return nil, errkind.Errorf(errkind.Corrupt, "file %s is removed but was never added", left[i].File.Name)
		}
	}
	return left, nil
}

// merge drops adds with their later deletes; deletes of files that entries do
// not add stay.
func merge(entries []Entry) ([]Entry, error) {
	at := make(map[Identity]int, len(entries))
	gone := make([]bool, len(entries))
	for i := range entries {
		id := entries[i].Identity()
		prev, seen := at[id]
		switch {
		case entries[i].Kind == Add && seen:
			return nil, errkind.Errorf(errkind.Corrupt, "file %s is added twice", entries[i].File.Name)
		case entries[i].Kind == Delete && seen && entries[prev].Kind == Delete:
			return nil, errkind.Errorf(errkind.Corrupt, "file %s is removed twice", entries[i].File.Name)
		case entries[i].Kind == Delete && seen:
			gone[prev], gone[i] = true, true
			delete(at, id)
		default:
			at[id] = i
		}
	}
	out := make([]Entry, 0, len(at))
	for i := range entries {
		if !gone[i] {
			out = append(out, entries[i])
		}
	}
	return out, nil
}

// Keep says which manifests and entries matter to a reader of live files.
type Keep interface {
	// Manifest reports whether any entry of the manifest can matter.
	Manifest(m *Meta) bool
	// Place reports whether files of the entry's partition and bucket matter: all
	// entries of one file get the same answer.
	Place(e *Entry) bool
	// File reports whether a live file matters.
	File(e *Entry) bool
}

// ReadLive reads the manifests of the lists in order and replays them; a nil
// keep takes all. The entries' bytes are shared with other callers.
func (f *Files) ReadLive(ctx context.Context, lists []string, keep Keep) ([]Entry, error) {
	var all []Entry
	for _, list := range lists {
		metas, err := f.ReadList(ctx, list)
		if err != nil {
			return nil, err
		}
		for i := range metas {
			if keep != nil && !keep.Manifest(&metas[i]) {
				continue
			}
			entries, err := f.ReadManifest(ctx, &metas[i])
			if err != nil {
				return nil, err
			}
			for j := range entries {
				if keep == nil || keep.Place(&entries[j]) {
					all = append(all, entries[j])
				}
			}
		}
	}
	live, err := Live(all)
	if err != nil {
		return nil, fmt.Errorf("manifest lists %v: %w", lists, err)
	}
	if keep == nil {
		return live, nil
	}
	out := live[:0]
	for i := range live {
		if keep.File(&live[i]) {
			out = append(out, live[i])
		}
	}
	return out, nil
}
