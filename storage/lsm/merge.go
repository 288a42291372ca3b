package lsm

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
)

// DefaultBatchRows is the number of rows in an output batch.
const DefaultBatchRows = 8192

// groupRowsMax bounds the rows of one key held at once; more than this many
// versions of a key means a broken run order.
const groupRowsMax = 1 << 20

// Run is one sorted run as a stream of batches.
type Run interface {
	// Next returns the next batch or io.EOF. The caller releases the batch.
	Next() (arrow.RecordBatch, error)
	// Release frees the run; called once.
	Release()
}

// Input is a run and the level it lies on (0 for unmerged files).
type Input struct {
	Run   Run
	Level int
}

// Merger merges runs into one sorted stream. It is not safe for concurrent use.
type Merger struct {
	cfg    Config
	schema *arrow.Schema
	fn     merger
	leaves []*leaf
	tree   []int // losers; tree[0] is the winner
	table  kindReader
	levels []int // level of each batch in table
	sel    []Ref // one selection for all columns
	cells  [][]Ref
	group  []Ref
	active int // runs that have not ended
	done   bool
}

// leaf is the read position in one run.
type leaf struct {
	in     Input
	batch  int32 // in the merger's table
	row    int
	rows   int
	key    []column
	seq    []column
	number []int64
	prefix []uint64
	end    bool
}

// NewMerger makes a merger of runs whose batches have the schema. It owns the
// runs from now on, also when it returns an error.
func NewMerger(inputs []Input, sc *arrow.Schema, cfg Config) (*Merger, error) {
	if cfg.BatchRows <= 0 {
		cfg.BatchRows = DefaultBatchRows
	}
	m := &Merger{cfg: cfg, schema: sc, cells: make([][]Ref, sc.NumFields())}
	for _, in := range inputs {
		m.leaves = append(m.leaves, &leaf{in: in})
	}
	var err error
	if m.fn, err = newMerger(cfg, sc.NumFields()); err != nil {
		m.Release()
		return nil, err
	}
	m.active = len(m.leaves)
	for _, l := range m.leaves {
		if err := m.load(l); err != nil {
			m.Release()
			return nil, err
		}
	}
	m.build()
	return m, nil
}

// Schema of the output.
func (m *Merger) Schema() *arrow.Schema { return m.schema }

// load moves the leaf to its run's next batch that has rows.
func (m *Merger) load(l *leaf) error {
	for {
		rec, err := l.in.Run.Next()
		if errors.Is(err, io.EOF) {
			l.end = true
			m.active--
			return nil
		}
		if err != nil {
			return err
		}
		if rec.NumRows() == 0 {
			rec.Release()
			continue
		}
		return m.enter(l, rec)
	}
}

func (m *Merger) enter(l *leaf, rec arrow.RecordBatch) error {
	kinds, err := kindsOf(rec, m.cfg.Kind)
	if err != nil {
		rec.Release()
		return err
	}
	l.batch, l.row, l.rows = int32(len(m.table.batches)), 0, int(rec.NumRows())
	m.table.batches = append(m.table.batches, rec)
	m.table.kinds = append(m.table.kinds, kinds)
	m.levels = append(m.levels, l.in.Level)
	var groups [][]column
	for _, g := range m.cfg.Groups {
		cols, err := columnsOf(rec, g.Sequence)
		if err != nil {
			return err
		}
		groups = append(groups, cols)
	}
	m.table.groups = append(m.table.groups, groups)
	if l.key, err = columnsOf(rec, m.cfg.Key); err != nil {
		return err
	}
	if l.seq, err = columnsOf(rec, m.cfg.UserSequence); err != nil {
		return err
	}
	number, ok := rec.Column(m.cfg.Sequence).(interface{ Int64Values() []int64 })
	if !ok {
		return errkind.Errorf(errkind.Corrupt, "sequence number column is %s, not int64", rec.Column(m.cfg.Sequence).DataType())
	}
	l.number = number.Int64Values()
	l.prefix = make([]uint64, l.rows) // never reused: nextKey may still hold the old one
	for i := range l.prefix {
		l.prefix[i] = l.key[0].prefix(i)
	}
	return nil
}

// compareKeys orders the current keys of two leaves that have not ended.
func (m *Merger) compareKeys(a, b *leaf) int {
	return compareRows(a.key, a.prefix, a.row, b.key, b.prefix, b.row)
}

func compareRows(ak []column, ap []uint64, i int, bk []column, bp []uint64, j int) int {
	if x, y := ap[i], bp[j]; x != y {
		if x < y {
			return -1
		}
		return 1
	}
	for k := range ak {
		if k == 0 && ak[0].exact() && bk[0].exact() {
			continue
		}
		if c := compareCells(ak[k], i, bk[k], j); c != 0 {
			return c
		}
	}
	return 0
}

// before reports whether leaf a's current row comes before leaf b's.
func (m *Merger) before(a, b int) bool {
	x, y := m.leaves[a], m.leaves[b]
	if x.end || y.end {
		return !x.end || (y.end && a < b)
	}
	if c := m.compareKeys(x, y); c != 0 {
		return c < 0
	}
	for k := range x.seq {
		if c := m.compareSequence(x.seq[k], x.row, y.seq[k], y.row); c != 0 {
			return c < 0
		}
	}
	if nx, ny := x.number[x.row], y.number[y.row]; nx != ny {
		return nx < ny
	}
	return a < b
}

// compareSequence orders sequence fields so that the winner is greater; NULL
// loses in both sort orders.
func (m *Merger) compareSequence(a column, i int, b column, j int) int {
	c := compareCells(a, i, b, j)
	if m.cfg.SequenceDesc && !a.isNull(i) && !b.isNull(j) {
		return -c
	}
	return c
}

func (m *Merger) build() {
	n := len(m.leaves)
	if n == 0 {
		return
	}
	m.tree = make([]int, max(n, 1))
	if n == 1 {
		return
	}
	winner := make([]int, 2*n)
	for i := range n {
		winner[n+i] = i
	}
	for i := n - 1; i >= 1; i-- {
		a, b := winner[2*i], winner[2*i+1]
		if m.before(b, a) {
			a, b = b, a
		}
		winner[i], m.tree[i] = a, b
	}
	m.tree[0] = winner[1]
}

// replay lets the changed winner play again up to the root.
func (m *Merger) replay() {
	n := len(m.leaves)
	w := m.tree[0]
	for i := (n + w) / 2; i >= 1; i /= 2 {
		if m.before(m.tree[i], w) {
			w, m.tree[i] = m.tree[i], w
		}
	}
	m.tree[0] = w
}

// pop takes the winner's row and advances its run.
func (m *Merger) pop() (Ref, error) {
	l := m.leaves[m.tree[0]]
	r := Ref{l.batch, int32(l.row)}
	l.row++
	if l.row == l.rows {
		if err := m.load(l); err != nil {
			return r, err
		}
	}
	if len(m.leaves) > 1 {
		m.replay()
	}
	return r, nil
}

// Next returns the next merged batch, or io.EOF. The caller releases it.
func (m *Merger) Next() (arrow.RecordBatch, error) {
	if len(m.leaves) == 0 || m.done {
		return nil, io.EOF
	}
	m.dropSpent()
	m.sel = m.sel[:0]
	for i := range m.cells {
		m.cells[i] = m.cells[i][:0]
	}
	for rows := 0; rows < m.cfg.BatchRows; {
		top := m.leaves[m.tree[0]]
		if top.end {
			m.done = true
			break
		}
		if n := m.passRange(top, m.cfg.BatchRows-rows); n > 0 {
			rows += n
			if err := m.skip(top, n); err != nil {
				return nil, err
			}
			continue
		}
		ok, err := m.nextKey()
		if err != nil {
			return nil, err
		}
		if ok {
			rows++
		}
	}
	if len(m.sel) == 0 && len(m.cells[0]) == 0 {
		return nil, io.EOF
	}
	return m.output()
}

// passRange takes whole ranges of rows when only one run is left and none of its
// rows needs merging.
func (m *Merger) passRange(top *leaf, limit int) int {
	if m.active > 1 || m.cfg.Repeats || len(m.cells[0]) > 0 {
		return 0
	}
	n := 0
	kinds := m.table.kinds[top.batch]
	for n < limit && top.row+n < top.rows && !IsRetract(kinds[top.row+n]) {
		m.sel = append(m.sel, Ref{top.batch, int32(top.row + n)})
		n++
	}
	return n
}

func (m *Merger) skip(l *leaf, n int) error {
	l.row += n
	if l.row == l.rows {
		return m.load(l)
	}
	return nil
}

// nextKey pops all rows of the smallest key and merges them.
func (m *Merger) nextKey() (bool, error) {
	m.group = m.group[:0]
	top := m.leaves[m.tree[0]]
	key, prefix, row := top.key, top.prefix, top.row
	for {
		r, err := m.pop()
		if err != nil {
			return false, err
		}
		if m.group = append(m.group, r); len(m.group) > groupRowsMax {
			return false, errkind.Errorf(errkind.Corrupt, "one key has more than %d versions: a run is not sorted", groupRowsMax)
		}
		next := m.leaves[m.tree[0]]
		if next.end || compareRows(key, prefix, row, next.key, next.prefix, next.row) != 0 {
			break
		}
	}
	return m.emit()
}

func (m *Merger) emit() (bool, error) {
	group := m.group
	if m.cfg.UpperOnce {
		group = m.upperOnce(group)
	}
	one, cells, ok, err := m.fn.merge(group, &m.table)
	if err != nil || !ok {
		return false, err
	}
	newest := one
	if cells != nil {
		newest = cells[m.cfg.Kind]
	}
	if !m.cfg.KeepRetracts && IsRetract(m.table.of(newest)) {
		return false, nil
	}
	if cells == nil && len(m.cells[0]) == 0 {
		m.sel = append(m.sel, one)
		return true, nil
	}
	m.spread()
	for i := range m.cells {
		c := one
		if cells != nil {
			c = cells[i]
		}
		m.cells[i] = append(m.cells[i], c)
	}
	return true, nil
}

// spread turns the selection of whole rows into one selection a column.
func (m *Merger) spread() {
	if len(m.sel) == 0 {
		return
	}
	for i := range m.cells {
		m.cells[i] = append(m.cells[i], m.sel...)
	}
	m.sel = m.sel[:0]
}

// upperOnce keeps the rows of level 0 and the one of the smallest level above.
func (m *Merger) upperOnce(group []Ref) []Ref {
	best := -1
	for i, r := range group {
		if lv := m.levels[r.Batch]; lv > 0 && (best < 0 || lv < m.levels[group[best].Batch]) {
			best = i
		}
	}
	out := group[:0]
	for i, r := range group {
		if m.levels[r.Batch] == 0 || i == best {
			out = append(out, r)
		}
	}
	return out
}

func (m *Merger) output() (arrow.RecordBatch, error) {
	if len(m.cells[0]) == 0 {
		return GatherBatch(m.schema, m.table.batches, m.sel)
	}
	return gatherCells(m.schema, m.table.batches, m.cells)
}

// dropSpent releases batches that no run stands in any more and renumbers the rest.
func (m *Merger) dropSpent() {
	if len(m.table.batches) <= len(m.leaves) {
		return
	}
	var next kindReader
	var levels []int
	used := make(map[int32]int32, len(m.leaves))
	for _, l := range m.leaves {
		if l.end {
			continue
		}
		used[l.batch] = int32(len(next.batches))
		next.batches = append(next.batches, m.table.batches[l.batch])
		next.kinds = append(next.kinds, m.table.kinds[l.batch])
		next.groups = append(next.groups, m.table.groups[l.batch])
		levels = append(levels, m.levels[l.batch])
	}
	for i, b := range m.table.batches {
		if _, ok := used[int32(i)]; !ok {
			b.Release()
		}
	}
	for _, l := range m.leaves {
		if !l.end {
			l.batch = used[l.batch]
		}
	}
	m.table, m.levels = next, levels
}

// Release frees the runs and batches; it may be called once.
func (m *Merger) Release() {
	for _, l := range m.leaves {
		l.in.Run.Release()
	}
	for _, b := range m.table.batches {
		b.Release()
	}
	m.leaves, m.table, m.done = nil, kindReader{}, true
}

func gatherCells(sc *arrow.Schema, batches []arrow.RecordBatch, cells [][]Ref) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, sc.NumFields())
	parts := make([]arrow.Array, len(batches))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		c, err := Gather(parts, sc.Field(i).Type, cells[i])
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", sc.Field(i).Name, err)
		}
		cols[i] = c
	}
	return newBatch(sc, cols, len(cells[0])), nil
}
