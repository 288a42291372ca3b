package olap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/snapshot"
)

// pinned is the versions a query reads. They are held until release.
type pinned struct {
	cut      *session.Cut // nil: the query reads no table of the warehouse
	versions map[string]*snapshot.Snapshot
	release  func()
}

// versionKey tells the scans of one table at different versions apart.
func versionKey(path string, a *plan.AsOf) string {
	switch {
	case a == nil:
		return path
	case a.Timestamp != nil:
		return path + "@timestamp " + a.Timestamp.UTC().Format("2006-01-02 15:04:05.000")
	case a.Tag != "":
		return path + "@tag " + a.Tag
	case a.Snapshot != 0:
		return path + "@snapshot " + fmt.Sprint(a.Snapshot)
	default:
		return path + "@epoch " + fmt.Sprint(a.Epoch)
	}
}

// pin chooses and holds one version of every table the plan reads.
func (s *Service) pin(ctx context.Context, holder string, q session.Query) (*pinned, error) {
	p := &pinned{versions: map[string]*snapshot.Snapshot{}, release: func() {}}
	var scans []*plan.Scan
	var paths []string // of tables read at the query's cut
	need := map[string]int64{}
	plan.Walk(q.Root, func(n plan.Node) {
		sc, ok := n.(*plan.Scan)
		if !ok || sc.Table.Path == "" {
			return
		}
		scans = append(scans, sc)
		need[sc.Table.Path] = 1 // until the version is known, everything stays
		if sc.AsOf == nil && !slices.Contains(paths, sc.Table.Path) {
			paths = append(paths, sc.Table.Path)
		}
	})
	if len(scans) == 0 {
		return p, nil
	}
	if s.opts.Pins != nil {
		p.release = s.opts.Pins.Hold(holder, need)
	}
	if err := s.choose(ctx, q, scans, paths, p); err != nil {
		p.release()
		return nil, err
	}
	if s.opts.Pins != nil {
		p.release = s.opts.Pins.Hold(holder, p.oldest(scans))
	}
	return p, nil
}

// choose fills the versions and the cut.
func (s *Service) choose(ctx context.Context, q session.Query, scans []*plan.Scan, paths []string, p *pinned) error {
	c, err := levelOf(q)
	if err != nil {
		return err
	}
	switch {
	case len(paths) == 0:
		c.Level = session.LevelAsOf
	case s.opts.Cuts == nil:
		c.Level = session.LevelLatest
	}
	p.cut = &session.Cut{Level: c.Level}
	if c.Level != session.LevelAsOf && c.Level != session.LevelLatest {
		cut, short, err := s.cutOf(ctx, c, paths)
		if err != nil {
			return fmt.Errorf("find the newest cut: %w", err)
		}
		if short != "" { // a job was started again meanwhile
			return errStale(short)
		}
		p.cut = &cut
	}
	p.cut.Snapshots = map[string]int64{}
	for _, sc := range scans {
		key := versionKey(sc.Table.Path, sc.AsOf)
		if _, known := p.versions[key]; known {
			continue
		}
		snap, err := s.version(ctx, sc, p.cut)
		if err != nil {
			return fmt.Errorf("read table %s.%s: %w", sc.Table.Database, sc.Table.Name, err)
		}
		p.versions[key] = snap
		id := int64(0)
		if snap != nil {
			id = int64(snap.ID)
		}
		name := sc.Table.Database + "." + sc.Table.Name
		p.cut.Snapshots[name+key[len(sc.Table.Path):]] = id
	}
	return nil
}

// version is the snapshot that a scan reads; nil: the table is empty then.
func (s *Service) version(ctx context.Context, sc *plan.Scan, cut *session.Cut) (*snapshot.Snapshot, error) {
	path := sc.Table.Path
	if sc.AsOf != nil {
		return s.asOf(ctx, path, sc.AsOf)
	}
	if cut.Level != session.LevelLatest {
		snap, ok, err := s.opts.Cuts.At(ctx, path, cut.Epoch)
		if ok || err != nil {
			return snap, err
		}
	}
	return empty(s.tables.snapshots(path).Latest(ctx))
}

func (s *Service) asOf(ctx context.Context, path string, a *plan.AsOf) (*snapshot.Snapshot, error) {
	snaps := s.tables.snapshots(path)
	switch {
	case a.Timestamp != nil:
		return empty(snaps.Resolve(ctx, snapshot.Ref{At: *a.Timestamp}))
	case a.Tag != "":
		if s.opts.Cuts != nil {
			if snap, ok, err := s.opts.Cuts.Tagged(ctx, path, a.Tag); ok || err != nil {
				return snap, err
			}
		}
		return snaps.Resolve(ctx, snapshot.Ref{Tag: a.Tag})
	case a.Snapshot != 0:
		return snaps.Resolve(ctx, snapshot.Ref{ID: snapshot.ID(a.Snapshot)})
	case s.opts.Cuts == nil:
		return nil, errkind.New(errkind.Unavailable, "versions by epoch are known to the service that runs the jobs")
	}
	snap, ok, err := s.opts.Cuts.At(ctx, path, a.Epoch)
	if err == nil && !ok {
		err = errkind.New(errkind.Invalid, "its versions belong to no epoch: name a snapshot, tag or timestamp")
	}
	return snap, err
}

// empty makes a table without snapshots one without rows.
func empty(s *snapshot.Snapshot, err error) (*snapshot.Snapshot, error) {
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	return s, err
}

// oldest is the oldest snapshot read of each table. A tag holds what it names by itself.
func (p *pinned) oldest(scans []*plan.Scan) map[string]int64 {
	need := map[string]int64{}
	for _, sc := range scans {
		snap := p.versions[versionKey(sc.Table.Path, sc.AsOf)]
		if snap == nil || sc.AsOf != nil && sc.AsOf.Tag != "" {
			continue
		}
		if id, ok := need[sc.Table.Path]; !ok || int64(snap.ID) < id {
			need[sc.Table.Path] = int64(snap.ID)
		}
	}
	return need
}
