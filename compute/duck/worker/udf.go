//go:build duckdb_arrow && cgo

package worker

/*
void weirCall(void *, void *, void *);
typedef void (*weir_call_t)(void *, void *, void *);
*/
import "C"

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// addFunctions registers those Go functions that the database does not know yet.
func (d *database) addFunctions(list []wire.UDF) error {
	for _, u := range list {
		if d.functions[u.Name] {
			continue
		}
		if err := d.addFunction(u); err != nil {
			return fmt.Errorf("function %s: %w", u.Name, err)
		}
		d.functions[u.Name] = true
	}
	return nil
}

func envOf(m wire.Env) (expr.Env, error) {
	e := expr.Env{Clock: m.Clock, Watermark: m.Watermark, Seed: m.Seed}
	if m.Zone != "" {
		zone, err := time.LoadLocation(m.Zone)
		if err != nil {
			return e, errkind.Errorf(errkind.Invalid, "time zone %s: %w", m.Zone, err)
		}
		e.Zone = zone
	}
	return e, nil
}

// evaluator computes the values of one function for a batch of arguments.
type evaluator func(args arrow.RecordBatch, env *expr.Env) (arrow.Array, error)

// function is a registered Go function. DuckDB's threads call it at the same time.
type function struct {
	db       *database
	eval     evaluator
	volatile bool
	calls    atomic.Int64
	args     *arrow.Schema // as compute/expr takes them
	result   *arrow.Schema // one column, without zones

	mu struct {
		sync.Mutex
		idle []*converter // each used by one call at a time
	}
}

// converter turns chunks into batches and back.
type converter struct {
	in  *chunkReader
	out *chunkMaker
}

func (d *database) addFunction(u wire.UDF) error {
	if u.Kind == wire.DecimalSumUDF {
		return d.addDecimalSum(u)
	}
	f := &function{db: d, volatile: u.Volatile}
	var err error
	if f.eval, err = evaluatorOf(u); err != nil {
		return err
	}
	sf := ddb.CreateScalarFunction()
	defer ddb.DestroyScalarFunction(&sf)
	ddb.ScalarFunctionSetName(sf, u.Name)
	fields := make([]arrow.Field, len(u.Args))
	for i, t := range u.Args {
		lt, at, err := bothTypes(t)
		if err != nil {
			return err
		}
		ddb.ScalarFunctionAddParameter(sf, lt)
		ddb.DestroyLogicalType(&lt)
		fields[i] = arrow.Field{Name: fmt.Sprintf("a%d", i), Type: at, Nullable: true}
	}
	lt, at, err := bothTypes(u.Result)
	if err != nil {
		return err
	}
	ddb.ScalarFunctionSetReturnType(sf, lt)
	ddb.DestroyLogicalType(&lt)
	f.args = arrow.NewSchema(fields, nil)
	f.result = arrow.NewSchema([]arrow.Field{{Name: "r", Type: withoutZones(at), Nullable: true}}, nil)
	ddb.ScalarFunctionSetSpecialHandling(sf) // it sees NULLs
	if u.Volatile {
		ddb.ScalarFunctionSetVolatile(sf)
	}
	ddb.ScalarFunctionSetExtraInfo(sf, box(f), deleteBox())
	ddb.ScalarFunctionSetFunction(sf, unsafe.Pointer(C.weir_call_t(C.weirCall)))
	if ddb.RegisterScalarFunction(d.conn, sf) != ddb.StateSuccess {
		return errkind.Errorf(errkind.Bug, "register with DuckDB")
	}
	return nil
}

// bothTypes is a type as DuckDB and as compute/expr have it.
func bothTypes(t schema.Type) (ddb.LogicalType, arrow.DataType, error) {
	at, err := t.ArrowType()
	if err != nil {
		return ddb.LogicalType{}, nil, err
	}
	lt, err := logicalType(at)
	return lt, at, err
}

func evaluatorOf(u wire.UDF) (evaluator, error) {
	if u.Kind != wire.ExprUDF {
		return foldOf(u)
	}
	tree, err := wire.DecodeExpr(u.Expr)
	if err != nil {
		return nil, err
	}
	prog, err := expr.Compile(tree)
	if err != nil {
		return nil, err
	}
	return prog.Eval, nil
}

//export weirCall
func weirCall(p, in, out unsafe.Pointer) {
	info := ddb.FunctionInfo{Ptr: p}
	f := unbox[*function](ddb.ScalarFunctionGetExtraInfo(info))
	q := f.db.current.Load()
	if err := f.call(q.env, ddb.DataChunk{Ptr: in}, ddb.Vector{Ptr: out}); err != nil {
		q.fail(err)
		ddb.ScalarFunctionSetError(info, err.Error())
	}
}

func (f *function) call(env expr.Env, in ddb.DataChunk, out ddb.Vector) error {
	conv, err := f.take()
	if err != nil {
		return err
	}
	defer f.give(conv)
	raw, err := conv.in.read(in)
	if err != nil {
		return err
	}
	defer raw.Release()
	args, err := conformBatch(raw, f.args)
	if err != nil {
		return err
	}
	defer args.Release()
	if f.volatile { // another seed for every chunk, or rows 2,048 apart would repeat
		env.Seed = env.Seed*seedStep + f.calls.Add(1)
	}
	values, err := f.eval(args, &env)
	if err != nil {
		return err
	}
	defer values.Release()
	return f.write(conv, values, out)
}

// seedStep spreads the seeds of chunks (the multiplier of splitmix64's state).
const seedStep = -7046029254386353131

func (f *function) write(conv *converter, values arrow.Array, out ddb.Vector) error {
	b := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "r", Type: values.DataType(), Nullable: true}}, nil), []arrow.Array{values}, int64(values.Len()))
	defer b.Release()
	plain, err := conformBatch(b, f.result)
	if err != nil {
		return err
	}
	defer plain.Release()
	chunk, err := conv.out.make(plain)
	if err != nil {
		return err
	}
	ddb.VectorReferenceVector(out, ddb.DataChunkGetVector(chunk, 0))
	ddb.DestroyDataChunk(&chunk)
	return nil
}

func (f *function) take() (*converter, error) {
	f.mu.Lock()
	if n := len(f.mu.idle); n > 0 {
		c := f.mu.idle[n-1]
		f.mu.idle = f.mu.idle[:n-1]
		f.mu.Unlock()
		return c, nil
	}
	f.mu.Unlock()
	types := make([]ddb.LogicalType, 0, f.args.NumFields())
	defer func() { destroyTypes(types) }()
	for _, a := range f.args.Fields() {
		t, err := logicalType(a.Type)
		if err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	in, err := newVectorReader(f.db.conv, types)
	if err != nil {
		return nil, err
	}
	out, err := newChunkMaker(f.db.conv, f.result)
	if err != nil {
		in.destroy()
		return nil, err
	}
	return &converter{in: in, out: out}, nil
}

func (f *function) give(c *converter) {
	f.mu.Lock()
	f.mu.idle = append(f.mu.idle, c)
	f.mu.Unlock()
}

func (f *function) destroy() {
	for _, c := range f.mu.idle {
		c.in.destroy()
		c.out.destroy()
	}
}
