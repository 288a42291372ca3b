package datagen

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// split is the one split of a table.
const split = "datagen"

// defaultRate is Flink's rows-per-second.
const defaultRate = 10000

// Factory opens tables with 'connector' = 'datagen'.
func Factory() connector.Factory {
	return connector.Factory{
		Name: "datagen",
		Validate: func(t *plan.Table) error {
			_, err := parse(t, t.Options)
			return err
		},
		Unbounded: func(t *plan.Table) bool {
			s, err := parse(t, t.Options)
			return err == nil && s.rows < 0
		},
		OpenSource: func(_ context.Context, c connector.Context) (connector.Source, error) { return open(c) },
	}
}

// spec is a table's generator: its columns and limits.
type spec struct {
	fields []connector.Field
	cols   []column
	seed   uint64
	rate   int64 // rows per second, at least 1
	rows   int64 // -1: without end
}

func parse(t *plan.Table, opts map[string]string) (*spec, error) {
	r := connector.ReadOptions(opts)
	s := &spec{fields: connector.Fields(t), rows: -1}
	s.rate = r.Int("rows-per-second", defaultRate, 1, math.MaxInt32)
	if r.Has("number-of-rows") {
		s.rows = r.Int("number-of-rows", 0, 0, math.MaxInt64)
	}
	s.seed = uint64(r.Int("seed", 1, math.MinInt64, math.MaxInt64))
	for i, f := range s.fields {
		if f.Metadata != "" {
			return nil, errkind.Errorf(errkind.Invalid, "column %s: datagen has no metadata columns", f.Name)
		}
		c, err := parseColumn(r, f, i)
		if err != nil {
			return nil, err
		}
		s.cols = append(s.cols, c)
		if n := c.length(); n >= 0 && (s.rows < 0 || n < s.rows) {
			s.rows = n
		}
	}
	return s, r.Done()
}

// source makes rows. It is used by one goroutine at a time.
type source struct {
	spec    *spec
	schema  *arrow.Schema
	now     func() time.Time
	bounded bool
	// pace: row number `base` was due at time `at`; set at the first Poll.
	started bool
	base    int64
	at      time.Time
}

func open(c connector.Context) (*source, error) {
	s, err := parse(c.Table, c.Options)
	if err != nil {
		return nil, err
	}
	if c.Bounded && s.rows < 0 {
		return nil, errkind.Errorf(errkind.Invalid, "table %s generates rows without end: set 'number-of-rows' to read it in a batch", c.Table.Name)
	}
	as, err := connector.ArrowSchema(s.fields)
	if err != nil {
		return nil, err
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	return &source{spec: s, schema: as, now: now, bounded: c.Bounded}, nil
}

// position is a row number and the time of row 0.
type position struct {
	row   int64
	epoch int64 // milliseconds since 1970
}

func (p position) String() string { return fmt.Sprintf("%d@%d", p.row, p.epoch) }

func parsePosition(o connector.Offsets) (position, bool, error) {
	text, ok := o[split]
	if !ok {
		return position{}, false, nil
	}
	var p position
	row, epoch, _ := strings.Cut(string(text), "@")
	var err1, err2 error
	p.row, err1 = strconv.ParseInt(row, 10, 64)
	p.epoch, err2 = strconv.ParseInt(epoch, 10, 64)
	if err1 != nil || err2 != nil || p.row < 0 {
		return p, false, errkind.Errorf(errkind.Corrupt, "datagen: position %q is not <row>@<milliseconds>", text)
	}
	return p, true, nil
}

// Poll implements connector.Source.
func (s *source) Poll(ctx context.Context, from connector.Offsets, maxRows int) (connector.Offsets, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	p, ok, err := parsePosition(from)
	if err != nil {
		return nil, false, err
	}
	now := s.now()
	if !ok {
		p.epoch = now.UnixMilli()
	}
	if !s.started {
		s.started, s.base, s.at = true, p.row, now
	}
	to := p.row + int64(max(maxRows, 0))
	if !s.bounded {
		// The row due at the start counts, so that a table of one row a minute begins at once.
		to = min(to, s.base+1+int64(now.Sub(s.at).Seconds()*float64(s.spec.rate)))
	}
	if s.spec.rows >= 0 {
		to = min(to, s.spec.rows)
	}
	to = max(to, p.row)
	end := s.spec.rows >= 0 && to == s.spec.rows
	if to == p.row {
		return from, end, nil
	}
	return connector.Offsets{split: connector.Position(position{to, p.epoch}.String())}, end, nil
}

// Read implements connector.Source.
func (s *source) Read(ctx context.Context, from, to connector.Offsets, fn func(connector.Chunk) error) error {
	start, _, err := parsePosition(from)
	if err != nil {
		return err
	}
	end, ok, err := parsePosition(to)
	if err != nil || !ok {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.schema)
	defer b.Release()
	for row := start.row; row < end.row; {
		if err := ctx.Err(); err != nil {
			return err
		}
		stop := min(end.row, row+connector.MaxChunkRows)
		for i := range s.spec.cols {
			c := &s.spec.cols[i]
			for r := row; r < stop; r++ {
				c.append(b.Field(i), s.spec, place{row: r, epoch: end.epoch})
			}
		}
		row = stop
		rec := b.NewRecordBatch()
		err := fn(connector.Chunk{Rows: rec})
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// Commit implements connector.Source: nothing outside keeps a position.
func (s *source) Commit(context.Context, connector.Offsets) error { return nil }

// Close implements connector.Source.
func (s *source) Close() error { return nil }
