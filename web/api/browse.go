package api

import (
	"context"
	"errors"
	"sync"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/inspect"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/web/auth"
)

// shelfMax bounds the tables whose decoded manifests are kept: some MB each, 40 MB for the largest.
const shelfMax = 16

// sumsMax bounds the tables whose sizes are remembered, some 200 bytes each.
const sumsMax = 4096

// shelf keeps between requests what looking at tables reads again and again.
type shelf struct {
	cat *catalog.Catalog
	mu  struct {
		sync.Mutex
		files map[string]shelved // by path
		sums  map[string]summed  // by path
	}
}

// shelved is the manifests of a table made at a time: one dropped and made again is another.
type shelved struct {
	made  int64
	files *manifest.Files
}

// summed is the size of one version.
type summed struct {
	hash string
	size inspect.Sizes
}

func newShelf(cat *catalog.Catalog) *shelf {
	s := &shelf{cat: cat}
	s.mu.files, s.mu.sums = map[string]shelved{}, map[string]summed{}
	return s
}

// manifests are the table's manifest files with what of them was decoded before.
func (s *shelf) manifests(ctx context.Context, id catalog.Identifier) (*manifest.Files, error) {
	first, err := schema.NewFiles(s.cat.TableStore(id), "").Get(ctx, 0)
	made := int64(0)
	switch {
	case err == nil:
		made = first.TimeMillis
	case !errkind.Is(err, errkind.NotFound): // the first version may have been removed
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.mu.files[id.Path()]; ok && f.made == made {
		return f.files, nil
	}
	if len(s.mu.files) >= shelfMax {
		clear(s.mu.files)
	}
	f := shelved{made, manifest.NewFiles(s.cat.TableStore(id), "")}
	s.mu.files[id.Path()] = f
	return f.files, nil
}

// size sums the files of a version up; the newest answer a table is remembered.
func (s *shelf) size(ctx context.Context, id catalog.Identifier, snap *snapshot.Snapshot) (inspect.Sizes, error) {
	s.mu.Lock()
	got, ok := s.mu.sums[id.Path()]
	s.mu.Unlock()
	if ok && got.hash == snap.Hash {
		return got.size, nil
	}
	files, err := s.manifests(ctx, id)
	if err != nil {
		return inspect.Sizes{}, err
	}
	live, err := inspect.Live(ctx, files, snap)
	if err != nil {
		return inspect.Sizes{}, err
	}
	size := inspect.Sum(live)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.sums) >= sumsMax {
		clear(s.mu.sums)
	}
	s.mu.sums[id.Path()] = summed{snap.Hash, size}
	return size, nil
}

// AtVersion names a version of a table in a query string; none is the newest.
type AtVersion struct {
	Snapshot  int64  `query:"snapshot" minimum:"0" doc:"a snapshot's id"`
	Tag       string `query:"tag" maxLength:"255" doc:"a tag's name"`
	Timestamp string `query:"timestamp" maxLength:"40" doc:"the newest version at that time: 2013-01-31 10:00:00 (UTC) or RFC 3339"`
}

func (v AtVersion) ref() (snapshot.Ref, error) {
	r := snapshot.Ref{ID: snapshot.ID(v.Snapshot), Tag: v.Tag}
	if v.Timestamp != "" {
		at, err := parseTime(v.Timestamp)
		if err != nil {
			return r, err
		}
		r.At = at
	}
	return r, nil
}

// TableAt is a table in a route and a version of it.
type TableAt struct {
	TablePath
	AtVersion
}

// view is a version of a table with its live files.
type view struct {
	schema *schema.Schema     // the newest
	snap   *snapshot.Snapshot // nil: the table has none
	live   []manifest.Entry
}

// stored reads the schema of a table that lies in the warehouse.
func (a *API) stored(ctx context.Context, id catalog.Identifier) (*schema.Schema, error) {
	sc, err := a.opts.Services.Catalog.Table(ctx, id)
	if err != nil {
		return nil, err
	}
	if sc.Connector() {
		return nil, errkind.Errorf(errkind.Invalid, "%s lies behind a connector: it has no versions and no files here", id)
	}
	return sc, nil
}

// look reads what the manifests of a version say.
func (a *API) look(ctx context.Context, in TableAt) (view, error) {
	id := in.id()
	sc, err := a.stored(ctx, id)
	if err != nil {
		return view{}, err
	}
	ref, err := in.ref()
	if err != nil {
		return view{}, err
	}
	snap, err := snapshot.NewManager(a.opts.Services.Catalog.TableStore(id), "").Resolve(ctx, ref)
	if errors.Is(err, snapshot.ErrNone) {
		return view{schema: sc}, nil
	}
	if err != nil {
		return view{}, err
	}
	files, err := a.shelf.manifests(ctx, id)
	if err != nil {
		return view{}, err
	}
	live, err := inspect.Live(ctx, files, snap)
	return view{sc, snap, live}, err
}

// fresh is a session for one look at the catalog.
func (a *API) fresh(ctx context.Context) *session.Session {
	return session.New(a.opts.Services, session.Options{User: auth.User(ctx), Allow: allow(auth.RoleOf(ctx))})
}

// JobRef names the job that keeps a table.
type JobRef struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	State job.State `json:"state"`
}

// keepers are the jobs by the table they write. Of several, those that do something come first.
func (a *API) keepers() map[string][]job.Status {
	out := map[string][]job.Status{}
	if a.opts.Services.Jobs == nil {
		return out
	}
	for _, s := range a.opts.Services.Jobs.List() {
		if over := s.State == job.Finished || s.State == job.Stopped; over {
			out[s.Sink] = append(out[s.Sink], s)
		} else {
			out[s.Sink] = append([]job.Status{s}, out[s.Sink]...)
		}
	}
	return out
}
