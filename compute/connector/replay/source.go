package replay

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// split is the one split of a replay.
const split = "replay"

// source plays a row set. It is used by one goroutine at a time.
type source struct {
	fields []connector.Field
	opts   Options
	rows   Rows
	now    func() time.Time
	paced  bool

	set *rowSet // nil until the first use
	n   int64   // rows to play: those before Until

	started bool
	base    time.Time // event time of the row that was due at `at`
	at      time.Time
}

// Open makes a source of the rows; they are read at its first use. Bounded contexts and
// infinite speed are not paced.
func Open(c connector.Context, opts Options, rows Rows) (connector.Source, error) {
	fields := connector.Fields(c.Table)
	i := slices.IndexFunc(fields, func(f connector.Field) bool { return f.Name == opts.Time })
	if i < 0 {
		return nil, errkind.Errorf(errkind.Invalid, "option 'replay.time' = '%s': table %s has no such physical column", opts.Time, c.Table.Name)
	}
	if !fields[i].Type.IsTimestamp() {
		return nil, errkind.Errorf(errkind.Invalid, "option 'replay.time' = '%s': the column is %s, not a TIMESTAMP", opts.Time, fields[i].Type)
	}
	if opts.Speed == 0 {
		opts.Speed = DefaultSpeed
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	return &source{fields: fields, opts: opts, rows: rows, now: now, paced: !c.Bounded && !math.IsInf(opts.Speed, 1)}, nil
}

func (s *source) load(ctx context.Context) error {
	if err := ctx.Err(); err != nil || s.set != nil {
		return err
	}
	set, err := load(ctx, s.fields, s.opts.Time, s.rows)
	if err != nil {
		return err
	}
	s.set, s.n = set, int64(len(set.times))
	if !s.opts.Until.IsZero() {
		s.n = set.before(s.opts.Until)
	}
	return nil
}

// row is the row number of "<row>/<fingerprint>".
func (s *source) row(o connector.Offsets) (int64, error) {
	p, ok := o[split]
	if !ok {
		return 0, nil
	}
	text, print, _ := strings.Cut(string(p), "/")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, errkind.Errorf(errkind.Corrupt, "replay: position %q is not <row>/<fingerprint>", p)
	}
	if print != s.set.fingerprint || n > int64(len(s.set.times)) {
		return 0, errkind.Errorf(errkind.Corrupt, "%w: the rows of the replay have changed since position %s was recorded (now %s); "+
			"restore its files and query, or start over", connector.ErrPositionLost, p, s.set.fingerprint)
	}
	return n, nil
}

func (s *source) position(row int64) connector.Offsets {
	return connector.Offsets{split: connector.Position(strconv.FormatInt(row, 10) + "/" + s.set.fingerprint)}
}

// Poll implements connector.Source.
func (s *source) Poll(ctx context.Context, from connector.Offsets, limit int) (connector.Offsets, bool, error) {
	if err := s.load(ctx); err != nil {
		return nil, false, err
	}
	row, err := s.row(from)
	if err != nil {
		return nil, false, err
	}
	to := min(s.n, row+int64(max(limit, 0)))
	if s.paced && row < s.n {
		to = min(to, s.due(row))
	}
	if to <= row {
		return from, row >= s.n, nil
	}
	return s.position(to), to == s.n, nil
}

// due is the end of the rows that are due now; the first row asked for is due at once.
func (s *source) due(row int64) int64 {
	now := s.now()
	if !s.started {
		s.started, s.base, s.at = true, s.set.at(row), now
	}
	ahead := now.Sub(s.at).Seconds() * s.opts.Speed
	if ahead > math.MaxInt64/1e9 { // further than a Duration reaches: a very fast or very long replay
		return s.n
	}
	until := s.base.Add(time.Duration(ahead * 1e9))
	return s.set.before(until.Add(1)) // a row at exactly that time is due
}

// Read implements connector.Source.
func (s *source) Read(ctx context.Context, from, to connector.Offsets, fn func(connector.Chunk) error) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	row, err := s.row(from)
	if err != nil {
		return err
	}
	end, err := s.row(to)
	if err != nil {
		return err
	}
	for row < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		stop := min(end, row+connector.MaxChunkRows)
		rec := s.set.rec.NewSlice(row, stop)
		err := fn(connector.Chunk{Rows: rec})
		rec.Release()
		if err != nil {
			return err
		}
		row = stop
	}
	return nil
}

// Commit implements connector.Source: nothing outside keeps a position.
func (s *source) Commit(context.Context, connector.Offsets) error { return nil }

// Close implements connector.Source and frees the rows.
func (s *source) Close() error {
	if s.set != nil {
		s.set.rec.Release()
		s.set = nil
	}
	return nil
}
