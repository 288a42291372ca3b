package lineage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
)

// input is one input of a snapshot: a table of the warehouse, or a source behind a connector.
type input struct {
	name     string            // database.table
	kind     string            // "table", or the connector
	from, to int64             // snapshots (from, to] of a table
	start    map[string]string // positions (start, end] of a source, by split
	end      map[string]string
}

// inputTable is the kind of an input that is a table of the warehouse.
const inputTable = "table"

func inputOf(in commit.Input) input {
	if in.Table != "" {
		return input{name: tableName(in.Table), kind: inputTable, from: int64(in.From), to: int64(in.ID)}
	}
	out := input{name: in.Source, kind: in.Kind, start: in.Start, end: in.End}
	for _, f := range in.Files {
		if out.end == nil {
			out.end = map[string]string{}
		}
		out.end["file:"+f.Path] = fmt.Sprintf("%d:%s", f.Size, f.ETag)
	}
	return out
}

// tableName is "db.table" of a table's path "db.db/table".
func tableName(path string) string { return strings.Replace(path, ".db/", ".", 1) }

// changed reports whether the input gave anything new.
func (in input) changed() bool {
	if in.kind == inputTable {
		return in.from != in.to
	}
	return !maps.Equal(in.start, in.end)
}

// version is the input's end as text: a snapshot id, or the positions by split.
func (in input) version() string {
	if in.kind == inputTable {
		return fmt.Sprint(in.to)
	}
	return positions(in.end)
}

func positions(end map[string]string) string {
	splits := make([]string, 0, len(end))
	for s, p := range end {
		splits = append(splits, s+"="+p)
	}
	slices.Sort(splits)
	return strings.Join(splits, ",")
}

// made is a snapshot, or several that follow each other by one writer, with what they were made from.
type made struct {
	table       string
	first, last *fact
	writer      Writer
	inputs      []input
}

// tracer follows snapshots to what they were made from. It is used by one goroutine.
type tracer struct {
	shelf   *shelf
	writers writers
	spans   map[span][]made // what is known already
}

func newTracer(s *shelf, ws writers) *tracer {
	return &tracer{shelf: s, writers: ws, spans: map[span][]made{}}
}

// span is the snapshots (from, to] of a table; an empty one stands for the table as it is at to.
type span struct {
	table    string
	from, to int64
}

// batchesMax bounds how many batch statements, pushes and foreign snapshots of a span are followed, newest first: a
// table that was filled by more has more than anybody reads.
const batchesMax = 1000

// one is what a single snapshot was made from.
func (t *tracer) one(table string, f *fact) made {
	m := made{table: table, first: f, last: f, writer: t.writers.of(f), inputs: t.writers.inputsOf(f)}
	t.begin(&m)
	return m
}

// begin fills in where the inputs began, for snapshots that do not say it themselves.
func (t *tracer) begin(m *made) {
	if m.writer.Kind != WriterJob {
		return
	}
	first := t.writers.inputsOf(m.first)
	if m.first.Prev != nil && !slices.ContainsFunc(first, func(in input) bool { return in.from != 0 || in.start != nil }) {
		first = t.before(m)
	}
	for i := range m.inputs {
		if i < len(first) && first[i].name == m.inputs[i].name {
			m.inputs[i].from, m.inputs[i].start = first[i].from, first[i].start
		}
	}
}

// before is the inputs of the job's snapshot before the first, as the beginnings of the next one's.
func (t *tracer) before(m *made) []input {
	h := t.shelf.of(m.table)
	n, _ := h.at(m.first.id)
	for _, f := range slices.Backward(h.facts[:n]) {
		if f.id == int64(m.first.Prev.ID) {
			out := t.writers.inputsOf(f)
			for i := range out {
				out[i].from, out[i].start = out[i].to, out[i].end
			}
			return out
		}
	}
	return nil
}

// over is what made the snapshots of a span: for each job one entry over all its snapshots there, and each other
// writer's snapshots by themselves. When the span holds none, it is what made the table as it stands at its end.
func (t *tracer) over(s span) []made {
	if known, ok := t.spans[s]; ok {
		return known
	}
	h := t.shelf.of(s.table)
	out := t.group(s.table, h.within(s.from, s.to))
	if len(out) == 0 {
		// All spans that end between two changes of the table stand for the same.
		if f := h.upTo(s.to); f != nil && s != (span{s.table, 0, f.id}) {
			out = t.over(span{s.table, 0, f.id})
		}
	}
	t.spans[s] = out
	return out
}

func (t *tracer) group(table string, facts []*fact) []made {
	jobs := map[string]*made{}
	var out []made
	alone := 0
	for _, f := range slices.Backward(facts) {
		w := t.writers.of(f)
		switch {
		case !f.moves():
		case w.Kind == WriterJob:
			if m := jobs[w.ID]; m != nil {
				m.first = f
				continue
			}
			jobs[w.ID] = &made{table: table, first: f, last: f, writer: w, inputs: t.writers.inputsOf(f)}
		case alone < batchesMax:
			alone++
			out = append(out, t.one(table, f))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		t.begin(jobs[id])
		out = append(out, *jobs[id])
	}
	slices.SortStableFunc(out, func(a, b made) int { return cmp.Compare(b.last.id, a.last.id) })
	return out
}

// origin is one input of a snapshot among those that a root was made from.
type origin struct {
	root  string // table
	at    int64  // its snapshot
	depth int    // 1: input of the root itself
	made  made
	in    *input // nil: the snapshot names no inputs
}

// originsMax bounds the rows of an answer: more than that is an export, which should say what of.
const originsMax = 500_000

// originsOf follows one snapshot to everything that it was made from, nearest first, at most depth steps (0: all).
func (t *tracer) originsOf(table string, f *fact, depth int) []origin {
	var out []origin
	seen := map[span]bool{}
	level := []made{t.one(table, f)}
	for d := 1; len(level) > 0 && (depth == 0 || d <= depth); d++ {
		var next []made
		for _, m := range level {
			if len(m.inputs) == 0 {
				out = append(out, origin{root: table, at: f.id, depth: d, made: m})
			}
			for i := range m.inputs {
				in := &m.inputs[i]
				out = append(out, origin{root: table, at: f.id, depth: d, made: m, in: in})
				s := span{in.name, in.from, in.to}
				if in.kind == inputTable && !seen[s] {
					seen[s] = true
					next = append(next, t.over(s)...)
				}
			}
		}
		level = next
	}
	return out
}

// committed is when the newest snapshot of a table input that changed rows was committed, Unix milliseconds; 0: it is
// not retained.
func (t *tracer) committed(in *input) int64 {
	if in.kind != inputTable {
		return 0
	}
	if f := t.shelf.of(in.name).upTo(in.to); f != nil {
		return f.made
	}
	return 0
}

// delay is how long after its input the snapshot was committed, in milliseconds; ok is false where the input gave
// nothing new or its commit is not known.
func (t *tracer) delay(m made, in *input) (ms int64, ok bool) {
	at := t.committed(in)
	if at == 0 || !in.changed() {
		return 0, false
	}
	return m.last.made - at, true
}

var errTooMany = errkind.Errorf(errkind.Exhausted, "lineage: more than %d rows: name a table with WHERE", originsMax)
