//go:build duckdb_arrow

package duck_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func TestRunsText(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	for i := range 3 { // the worker is used again
		got, err := run(t, p, duck.Query{SQL: fmt.Sprintf("SELECT x, 'r' || x FROM range(%d) r(x) ORDER BY x", 3+i), Output: fields(schema.TBigInt, schema.TString)})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 3+i || got[2][1] != "r2" {
			t.Fatalf("got %v", got)
		}
	}
}

func TestEmptyResultHasSchema(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT 1::BIGINT WHERE false", Output: fields(schema.TBigInt)})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Schema(); s.NumFields() != 1 || s.Field(0).Name != "a" {
		t.Errorf("schema %s", s)
	}
	if got, err := rowsOf(r); err != nil || len(got) != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
}

// Errors say what happened with the right kind, and the worker goes on.
func TestErrors(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	for _, c := range []struct {
		sql  string
		kind errkind.Kind
		text string
	}{
		{"SELECT CAST('x' AS BIGINT)", errkind.Invalid, "'x'"},
		{"SELECT CAST(v AS BIGINT) FROM (VALUES ('1'), ('y')) t(v)", errkind.Invalid, "'y'"},
		{"SELECT error('division by zero')::BIGINT", errkind.Invalid, "division by zero"},
		{"SELECT 1::BIGINT FROM nowhere", errkind.Bug, "nowhere"},
		{"CREATE TABLE t (a INT)", errkind.Bug, "SELECT"},
		{"SELECT count(*) FROM read_parquet('/etc/passwd')", errkind.Bug, "/etc/passwd"},
		{"SELECT count(*) FROM read_csv('/proc/self/environ')", errkind.Bug, "environ"},
		{"SELECT 1::BIGINT FROM weir_arrow(7)", errkind.Bug, "weir_arrow(7)"},
		{"SELECT 1::INTEGER", errkind.Bug, "int64"},
	} {
		_, err := run(t, p, duck.Query{SQL: c.sql, Output: fields(schema.TBigInt)})
		if err == nil || errkind.Of(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %s error %v, want %s with %q", c.sql, errkind.Of(err), err, c.kind, c.text)
		}
	}
}

func TestSettingsAreLocked(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	for _, sql := range []string{"SET memory_limit = '100GB'", "COPY (SELECT 1) TO '/tmp/weir-leak.csv'", "ATTACH '/tmp/weir-leak.db'", "INSTALL httpfs", "LOAD httpfs"} {
		if _, err := run(t, p, duck.Query{SQL: sql, Output: fields(schema.TBigInt)}); err == nil {
			t.Errorf("%s: was run", sql)
		}
	}
}

// A query that asks for gigabytes ends alone: another one running beside it does not notice.
func TestMemoryLimitEndsOneQuery(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 2, MemoryBytes: 512 << 20})
	r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT x FROM range(3000000) r(x)", Output: fields(schema.TBigInt)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(t, p, duck.Query{SQL: "SELECT len(repeat('x', 3000000000))::BIGINT", Output: fields(schema.TBigInt)})
	if errkind.Of(err) != errkind.Exhausted {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	got, err := rowsOf(r)
	if err != nil || len(got) != 3000000 {
		t.Fatalf("the other query: %d rows, %v", len(got), err)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after it: %v", err)
	}
}

// So does Go code of ours inside a worker.
func TestMemoryLimitOfGoCode(t *testing.T) {
	if testing.Short() {
		t.Skip("fills 512 MB")
	}
	p := newPool(t, duck.Options{Workers: 1, MemoryBytes: 512 << 20})
	w := warehouse{}
	in := w.add("t", []plan.Column{{Name: "s", Type: schema.TString}}, row(strings.Repeat("x", 1000)), row(strings.Repeat("y", 1000)))
	long := apply(t, "CHAR_LENGTH", apply(t, "REPEAT", at(in, 0), num(1_000_000)))
	_, err := duck.Execute(t.Context(), p, &plan.Project{Input: in, Exprs: []expr.Expr{long}, Names: []string{"n"}}, w, duck.ExecOptions{})
	if k := errkind.Of(err); k != errkind.Exhausted && k != errkind.Invalid {
		t.Errorf("%s: %v", k, err)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after it: %v", err)
	}
}

// A sort larger than DuckDB's share spills to the worker's directory.
func TestSpills(t *testing.T) {
	if testing.Short() {
		t.Skip("sorts 250 MB")
	}
	p := newPool(t, duck.Options{Workers: 1, MemoryBytes: 256 << 20, Threads: 1})
	got, err := run(t, p, duck.Query{
		SQL:    "SELECT count(*), max(s) FROM (SELECT md5(x::VARCHAR) || md5((x+1)::VARCHAR) s FROM range(4000000) r(x) ORDER BY s LIMIT 3999999)",
		Output: fields(schema.TBigInt, schema.TString),
	})
	if err != nil || len(got) != 1 || got[0][0] != "3999999" {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestCancelInterrupts(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, err := p.Run(ctx, duck.Query{SQL: "SELECT sum(a.x * b.x)::BIGINT FROM range(1000000) a(x), range(1000000) b(x)", Output: fields(schema.TBigInt)})
	if errkind.Of(err) != errkind.Canceled || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the cancel took %s", d)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after it: %v", err)
	}
}

// A query that does not end when it is interrupted ends with its worker.
func TestCancelKills(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1, CancelGrace: time.Nanosecond})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := p.Run(ctx, duck.Query{SQL: "SELECT sum(a.x * b.x)::BIGINT FROM range(1000000) a(x), range(1000000) b(x)", Output: fields(schema.TBigInt)})
		cancel()
		if errkind.Of(err) != errkind.Canceled || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "time limit") {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after it: %v", err)
	}
}

// Rows of a megabyte travel in small batches.
func TestLongRows(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1, MemoryBytes: 256 << 20})
	b := array.NewStringBuilder(memory.DefaultAllocator)
	long := strings.Repeat("x", 1<<20)
	for range 300 {
		b.Append(long)
	}
	s := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String}}, nil)
	in := batches(s, array.NewRecordBatch(s, []arrow.Array{b.NewArray()}, 300))
	got, err := run(t, p, duck.Query{SQL: "SELECT count(*), sum(len(c0))::BIGINT FROM weir_arrow(0)", Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt, schema.TBigInt)})
	if err != nil || fmt.Sprint(got) != "[[300 314572800]]" {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestCloseBeforeEnd(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	for range 3 {
		r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT x FROM range(100000000) r(x)", Output: fields(schema.TBigInt)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Next()
		if err != nil || b.NumRows() == 0 {
			t.Fatalf("first batch: %v", err)
		}
		b.Release()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Busy(); n != 0 {
		t.Errorf("%d workers are still busy", n)
	}
}

func TestStopEndsQueries(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT x FROM range(100000000) r(x)", Output: fields(schema.TBigInt)})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if _, err := rowsOf(r); err == nil {
		t.Error("the stopped query ended well")
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); !errors.Is(err, duck.ErrStopped) {
		t.Errorf("after Stop: %v", err)
	}
	p.Stop()
}

func TestBadCommand(t *testing.T) {
	p, err := duck.NewPool(duck.Options{Command: []string{"/nonexistent/weir"}, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); errkind.Of(err) != errkind.Unavailable {
		t.Errorf("got %v", err)
	}
	p, err = duck.NewPool(duck.Options{Command: []string{"/bin/sh", "-c", "echo broken library >&2; exit 3"}, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "broken library") {
		t.Errorf("got %v", err)
	}
}

func numbers(from, n int64) arrow.RecordBatch {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	c := array.NewStringBuilder(memory.DefaultAllocator)
	for i := range n {
		b.Append(from + i)
		c.Append(fmt.Sprintf("value number %d", from+i))
	}
	return array.NewRecordBatch(numberSchema, []arrow.Array{b.NewArray(), c.NewArray()}, n)
}

var numberSchema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String}}, nil)

func TestArrowInputs(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	many := batches(numberSchema, numbers(0, 100_000), numbers(100_000, 1), numbers(100_001, 0), numbers(100_001, 70_000))
	few := batches(numberSchema, numbers(5, 10))
	none := batches(numberSchema)
	for _, c := range []struct {
		sql  string
		in   []duck.ArrowInput
		want string
	}{
		{"SELECT count(*), sum(c0)::BIGINT, min(c1), max(len(c1)) FROM weir_arrow(0)", []duck.ArrowInput{many}, "[[170001 14450085000 value number 0 19]]"},
		{"SELECT count(*), 0::BIGINT, '', 0::BIGINT FROM weir_arrow(0)", []duck.ArrowInput{many}, "[[170001 0  0]]"},
		{"SELECT count(*), sum(c0)::BIGINT, min(c1), 0::BIGINT FROM weir_arrow(0)", []duck.ArrowInput{none}, "[[0 (null) (null) 0]]"},
		{"SELECT count(*), sum(a.c0)::BIGINT, max(b.c1), 1::BIGINT FROM weir_arrow(0) a JOIN weir_arrow(1) b ON a.c1 = b.c1", []duck.ArrowInput{many, few}, "[[10 95 value number 9 1]]"},
		{"SELECT count(*), sum(a.c0)::BIGINT, max(b.c1), 1::BIGINT FROM weir_arrow(0) a JOIN weir_arrow(0) b ON a.c0 = b.c0 + 1", []duck.ArrowInput{many}, "[[170000 14450085000 value number 99999 1]]"},
	} {
		got, err := run(t, p, duck.Query{SQL: c.sql, Inputs: c.in, Output: fields(schema.TBigInt, schema.TBigInt, schema.TString, schema.TBigInt)})
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, %v; want %s", c.sql, got, err, c.want)
		}
	}
}

// An input that fails is the query's error, with its chain.
func TestInputFails(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	cause := errkind.New(errkind.Corrupt, "file x is truncated")
	in := duck.ArrowInput{Schema: numberSchema, Rows: -1, Open: func(_ context.Context, columns []int) (array.RecordReader, error) {
		first := project(numbers(0, 10), columns)
		return array.ReaderFromIter(first.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
			_ = yield(first, nil) && yield(nil, cause)
		}), nil
	}}
	_, err := run(t, p, duck.Query{SQL: "SELECT sum(c0)::BIGINT FROM weir_arrow(0)", Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt)})
	if !errors.Is(err, cause) {
		t.Fatalf("got %v", err)
	}
	in.Open = func(context.Context, []int) (array.RecordReader, error) { return nil, cause }
	_, err = run(t, p, duck.Query{SQL: "SELECT sum(c0)::BIGINT FROM weir_arrow(0)", Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt)})
	if !errors.Is(err, cause) {
		t.Fatalf("got %v", err)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after it: %v", err)
	}
}

// An input that never answers does not hold up a cancel.
func TestCancelDuringInput(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1, CancelGrace: 20 * time.Second})
	opened := make(chan struct{})
	in := duck.ArrowInput{Schema: numberSchema, Rows: -1, Open: func(ctx context.Context, _ []int) (array.RecordReader, error) {
		close(opened)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-opened; cancel() }()
	start := time.Now()
	_, err := p.Run(ctx, duck.Query{SQL: "SELECT sum(c0)::BIGINT FROM weir_arrow(0)", Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt)})
	if errkind.Of(err) != errkind.Canceled || time.Since(start) > 10*time.Second {
		t.Fatalf("after %s: %v", time.Since(start), err)
	}
}

// inputBatches of 280 KB each are far more than the queues between the processes hold.
const inputBatches = 500

// Neither side takes more of a long input than was asked for.
func TestBackPressure(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1, MemoryBytes: 256 << 20, Threads: 1})
	var mu sync.Mutex
	var given int
	in := duck.ArrowInput{Schema: numberSchema, Rows: -1, Open: func(_ context.Context, columns []int) (array.RecordReader, error) {
		first := project(numbers(0, 8192), columns)
		return array.ReaderFromIter(first.Schema(), func(yield func(arrow.RecordBatch, error) bool) {
			for range inputBatches {
				mu.Lock()
				given++
				mu.Unlock()
				first.Retain()
				if !yield(first, nil) {
					return
				}
			}
		}), nil
	}}
	r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT c0, c1 FROM weir_arrow(0)", Inputs: []duck.ArrowInput{in}, Output: fields(schema.TBigInt, schema.TString)})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(300 * time.Millisecond) // nobody reads the result; the worker runs as far as it can
	mu.Lock()
	n := given
	mu.Unlock()
	if n > inputBatches/3 {
		t.Errorf("%d of %d batches were pulled while nobody read", n, inputBatches)
	}
	var rows int64
	for {
		b, err := r.Next()
		if err != nil {
			break
		}
		rows += b.NumRows()
		b.Release()
	}
	if rows != inputBatches*8192 {
		t.Errorf("%d rows arrived", rows)
	}
}

// workers are the process ids of this process's children that run as workers.
func workers(t *testing.T) []int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(dirs) == 0 {
		t.Skip("no /proc to find workers in")
	}
	var out []int
	for _, d := range dirs {
		stat, err := os.ReadFile(d)
		if err != nil {
			continue // it has gone
		}
		after := stat[bytes.LastIndexByte(stat, ')')+1:]
		f := bytes.Fields(after)
		if state, parent := string(f[0]), string(f[1]); parent == strconv.Itoa(os.Getpid()) && state != "Z" {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(d)))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pid)
		}
	}
	return out
}

// A worker that is killed from outside fails its own query with the reason and is replaced.
func TestKilledWorkerIsReplaced(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT x FROM range(100000000) r(x)", Output: fields(schema.TBigInt)})
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range workers(t) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_, err = rowsOf(r)
	if errkind.Of(err) != errkind.Exhausted || !strings.Contains(err.Error(), "killed by the operating system") {
		t.Errorf("got %v", err)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after it: %v", err)
	}
	// One that dies while idle is noticed before it gets a query, or its query is run by the next.
	for _, pid := range workers(t) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for len(workers(t)) > 0 {
		<-time.After(time.Millisecond)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatalf("after the death of an idle worker: %v", err)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	p, err := duck.NewPool(duck.Options{Workers: 2, TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, p, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)}); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%d entries are left, %v", len(left), err)
	}
	if pids := workers(t); len(pids) > 0 {
		t.Errorf("workers %v are left", pids)
	}
}

// A waiting query ends with its context; the running one goes on.
func TestWaitForWorker(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	r, err := p.Run(t.Context(), duck.Query{SQL: "SELECT x FROM range(3000000) r(x)", Output: fields(schema.TBigInt)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = p.Run(ctx, duck.Query{SQL: "SELECT 1::BIGINT", Output: fields(schema.TBigInt)})
	if errkind.Of(err) != errkind.Canceled || !strings.Contains(err.Error(), "wait for a query worker") {
		t.Errorf("got %v", err)
	}
	if got, err := rowsOf(r); err != nil || len(got) != 3000000 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []duck.Options{{Workers: -1}, {MemoryBytes: 1 << 20}, {Threads: -2}} {
		if _, err := duck.NewPool(o); errkind.Of(err) != errkind.Invalid {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

// Queries over files below the shared directories keep a database; the sandbox holds all the same.
func TestSharedDirectories(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	writeParquet(t, filepath.Join(dir, "in.parquet"), numbers(0, 10))
	writeParquet(t, filepath.Join(other, "out.parquet"), numbers(0, 20))
	p := newPool(t, duck.Options{Workers: 1, Dirs: []string{dir}})
	count := func(read string, allowed ...string) ([][]string, error) {
		return run(t, p, duck.Query{SQL: "SELECT count(*) FROM read_parquet('" + read + "')", Paths: allowed, Output: fields(schema.TBigInt)})
	}
	in, out := filepath.Join(dir, "in.parquet"), filepath.Join(other, "out.parquet")
	for range 2 {
		if got, err := count(in, in); err != nil || got[0][0] != "10" {
			t.Errorf("inside: %v, %v", got, err)
		}
		if got, err := count(out, out); err != nil || got[0][0] != "20" {
			t.Errorf("named: %v, %v", got, err)
		}
		if got, err := count(out, in); err == nil {
			t.Errorf("outside, not named: %v", got)
		}
		if got, err := count(filepath.Join(dir, "..", filepath.Base(other), "out.parquet")); err == nil {
			t.Errorf("through a parent: %v", got)
		}
	}
}

// Many callers share few workers: each gets its own rows, some give up in between.
func TestManyCallers(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 3, Threads: 2})
	w := warehouse{}
	in := w.add("t", []plan.Column{{Name: "s", Type: schema.TString}, {Name: "v", Type: schema.TInt}}, row("a", 1), row("b", 2), row("ab", 3))
	var wg sync.WaitGroup
	for caller := range 12 {
		wg.Go(func() {
			for round := range 6 {
				ctx, cancel := context.WithCancel(t.Context())
				n := int64(caller*100 + round)
				// The constant is part of the function's name: every round makes a new one.
				e := apply(t, "CONCAT", apply(t, "REPEAT", apply(t, "UPPER", at(in, 0)), at(in, 1)), castTo(num(n), schema.TString))
				root := &plan.Sort{Input: &plan.Project{Input: in, Exprs: []expr.Expr{e}, Names: []string{"x"}}, Limit: -1}
				if round%3 == 2 {
					cancel() // before or while it runs
				}
				r, err := duck.Execute(ctx, p, root, w, duck.ExecOptions{})
				if err == nil {
					var got [][]string
					if got, err = rowsOf(r); err == nil && fmt.Sprint(got) != fmt.Sprintf("[[A%d] [ABABAB%d] [BB%d]]", n, n, n) {
						t.Errorf("caller %d, round %d: %v", caller, round, got)
					}
				}
				if err != nil && (round%3 != 2 || errkind.Of(err) != errkind.Canceled) {
					t.Errorf("caller %d, round %d: %v", caller, round, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if n := p.Busy(); n != 0 {
		t.Errorf("%d workers are busy", n)
	}
	if n := len(workers(t)); n > 3 {
		t.Errorf("%d workers run", n)
	}
}
