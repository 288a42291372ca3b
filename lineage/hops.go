package lineage

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
)

// Planner binds statements for one who only looks; compute/session implements it.
type Planner interface {
	Look(ctx context.Context, database, sql string, options map[string]string) (plan.Node, error)
	// LookReplay is the query that a replay source plays; nil for any other table.
	LookReplay(ctx context.Context, id catalog.Identifier) (*plan.Sink, error)
}

const (
	// bindersMax is how many statements are bound at once: there are no more after a start.
	bindersMax = 4
	// unboundFor is how long a statement that does not bind is let alone: a table of it may come back.
	unboundFor = 10 * time.Second
	// replayFor is how long the query of a replay source is believed: views below it may be replaced.
	replayFor = time.Minute
	// hopColumnsMax bounds the column edges kept of one statement: 200 columns made from 100 each.
	hopColumnsMax = 20_000
	// batchHopsMax bounds the batch statements per table that are bound for their columns, newest first.
	batchHopsMax = 100
)

// hop is one statement that makes a table from others. It is never changed.
type hop struct {
	key     string // what it was made of
	target  string // database.table
	writer  Writer
	sql     string
	state   string // of a job
	user    string // commit user of a job
	status  *job.Status
	sources []string
	columns []ColumnEdge
	bound   bool // the statement was bound; else sources are the recorded inputs
}

// statement is what a hop is made of.
type statement struct {
	key      string // changes when the statement may mean something else
	target   string
	writer   Writer
	database string
	sql      string
	options  map[string]string
	replay   *catalog.Identifier // instead of sql
	lasts    time.Duration       // how long its plan is believed; 0: for ever
	status   *job.Status
	recorded []input // of the newest snapshot, where the statement does not bind
}

// plans remembers what statements read, by key. What no look asks for any more is forgotten with the next one, so it
// is bounded by the jobs and the retained batch statements.
type plans struct {
	planner Planner
	now     func() time.Time
	mu      struct {
		sync.Mutex
		known map[string]planned
	}
}

type planned struct {
	sources []string
	columns []ColumnEdge
	err     error
	until   time.Time // zero: for ever
}

func newPlans(p Planner, now func() time.Time) *plans {
	x := &plans{planner: p, now: now}
	x.mu.known = map[string]planned{}
	return x
}

// hops are what the statements read and write. Those that were bound before are not bound again.
func (x *plans) hops(ctx context.Context, list []statement) ([]*hop, error) {
	now := x.now()
	x.mu.Lock()
	old := x.mu.known
	x.mu.Unlock()
	results := make([]planned, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(bindersMax)
	for i, st := range list {
		if p, ok := old[st.key]; ok && (p.until.IsZero() || now.Before(p.until)) {
			results[i] = p
			continue
		}
		g.Go(func() error {
			p, err := x.bind(ctx, st)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			p.err = err
			switch {
			case err != nil:
				p.until = now.Add(unboundFor)
			case st.lasts > 0:
				p.until = now.Add(st.lasts)
			}
			results[i] = p
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("bind the statements of the warehouse: %w", err)
	}
	next := make(map[string]planned, len(list))
	out := make([]*hop, 0, len(list))
	for i, st := range list {
		next[st.key] = results[i]
		if h := hopOf(st, results[i]); h != nil {
			out = append(out, h)
		}
	}
	x.mu.Lock()
	x.mu.known = next
	x.mu.Unlock()
	return out, nil
}

func hopOf(st statement, p planned) *hop {
	h := &hop{sql: st.sql, key: st.key, target: st.target, writer: st.writer, status: st.status, sources: p.sources, columns: p.columns, bound: p.err == nil}
	if st.status != nil {
		h.state, h.user = string(st.status.State), st.status.CommitUser
	}
	if !h.bound {
		for _, in := range st.recorded {
			h.sources = append(h.sources, in.name)
		}
		slices.Sort(h.sources)
		h.sources = slices.Compact(h.sources)
	}
	if len(h.sources) == 0 && h.status == nil {
		return nil // such as a replay that is none
	}
	return h
}

// bind plans a statement and follows its columns.
func (x *plans) bind(ctx context.Context, st statement) (planned, error) {
	if st.replay != nil {
		sink, err := x.planner.LookReplay(ctx, *st.replay)
		if err != nil || sink == nil {
			return planned{}, err
		}
		return follow(sink, st), nil
	}
	if st.sql == "" {
		return planned{}, errkind.New(errkind.NotFound, "the statement was not kept")
	}
	root, err := x.planner.Look(ctx, st.database, st.sql, st.options)
	if err != nil {
		return planned{}, err
	}
	return follow(root, st), nil
}

// follow is the edges of a plan.
func follow(root plan.Node, st statement) planned {
	var p planned
	plan.Walk(root, func(n plan.Node) {
		if s, ok := n.(*plan.Scan); ok {
			p.sources = append(p.sources, s.Table.Database+"."+s.Table.Name)
		}
	})
	slices.Sort(p.sources)
	p.sources = slices.Compact(p.sources)
	for _, c := range plan.Lineage(root) {
		for _, s := range slices.Concat(c.Direct, c.Indirect) {
			if len(p.columns) == hopColumnsMax {
				return p
			}
			p.columns = append(p.columns, ColumnEdge{From: ColumnRef{s.Database + "." + s.Table, s.Column}, To: ColumnRef{st.target, c.Name},
				Kind: s.Kind, Direct: s.Kind.Direct(), Job: st.writer.String()})
		}
	}
	return p
}

// statements are what makes tables now: jobs that were not dropped, batch statements and dropped jobs that retained
// snapshots name, and replays.
func statements(s *shelf, jobs []job.Status) []statement {
	ws := writersOf(jobs)
	var out []statement
	for i := range jobs {
		j := &jobs[i]
		st := statement{target: j.Sink, writer: Writer{Kind: WriterJob, Name: j.Name, ID: j.ID}, database: j.Database, sql: j.SQL,
			options: j.Options, status: j, key: fmt.Sprintf("job %s %s", j.ID, j.StateSince)}
		if f := newestOf(s.of(j.Sink), func(f *fact) bool { return f.moves() && f.user == j.CommitUser }); f != nil {
			st.recorded = ws.inputsOf(f)
		}
		out = append(out, st)
	}
	for _, name := range s.names {
		if s.outside[name] == "" {
			out = append(out, recordedStatements(name, s.of(name), ws)...)
			continue
		}
		id, err := parseName(name)
		if err == nil {
			out = append(out, statement{target: name, writer: Writer{Kind: WriterReplay}, replay: &id, lasts: replayFor, key: "replay " + name})
		}
	}
	return out
}

func newestOf(h *history, fits func(*fact) bool) *fact {
	for _, f := range slices.Backward(h.facts) {
		if fits(f) {
			return f
		}
	}
	return nil
}

// recordedStatements are the writers of a table that only its snapshots know.
func recordedStatements(table string, h *history, ws writers) []statement {
	var out []statement
	seen := map[string]bool{}
	for _, f := range slices.Backward(h.facts) {
		w := ws.of(f)
		ins := ws.inputsOf(f)
		if _, live := ws[w.ID]; live || len(ins) == 0 || len(out) == batchHopsMax {
			continue
		}
		key := fmt.Sprintf("%s %s %x", w.Kind, table, hash(f.Database, f.Statement))
		if f.Statement == "" {
			key = fmt.Sprintf("%s %s %s", w.Kind, table, f.user)
		}
		if seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, statement{key: key, target: table, writer: w, database: f.Database, sql: f.Statement, recorded: ins})
	}
	return out
}

func hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p)) // it has no error
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// signature identifies a list of hops.
func signature(hops []*hop) uint64 {
	keys := make([]string, 0, 2*len(hops))
	for _, h := range hops {
		keys = append(keys, h.key, fmt.Sprint(h.bound))
	}
	return hash(keys...)
}

// columnIndex finds column edges from either end. It is never changed.
type columnIndex struct {
	edges []ColumnEdge
	from  map[ColumnRef][]int
	to    map[ColumnRef][]int
}

func newColumnIndex(hops []*hop) *columnIndex {
	x := &columnIndex{from: map[ColumnRef][]int{}, to: map[ColumnRef][]int{}}
	for _, h := range hops {
		x.edges = append(x.edges, h.columns...)
	}
	slices.SortFunc(x.edges, compareColumnEdges)
	x.edges = slices.Compact(x.edges)
	for i, e := range x.edges {
		x.from[e.From] = append(x.from[e.From], i)
		x.to[e.To] = append(x.to[e.To], i)
	}
	return x
}

func compareColumnEdges(a, b ColumnEdge) int {
	return cmp.Or(cmp.Compare(a.To.Table, b.To.Table), cmp.Compare(a.To.Name, b.To.Name), cmp.Compare(a.From.Table, b.From.Table),
		cmp.Compare(a.From.Name, b.From.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Job, b.Job))
}
