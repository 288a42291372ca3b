//go:build duckdb_arrow && cgo

package worker

/*
#include <stdint.h>
#include <stdlib.h>

void weirScanBind(void *);
void weirScanInit(void *);
void weirScanLocal(void *);
void weirScanRead(void *, void *);
void weirDelete(void *);

typedef void (*weir_bind_t)(void *);
typedef void (*weir_read_t)(void *, void *);
typedef void (*weir_delete_t)(void *);
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"runtime/cgo"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	scanFunction = "weir_arrow"
	// smallRows is below what a second thread would be worth starting for.
	smallRows = 64 << 10
)

// box puts a Go value where DuckDB keeps a pointer: C memory with a handle. DuckDB
// frees it through weirDelete, which also calls the value's destroy.
func box(v any) unsafe.Pointer {
	p := C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(p) = cgo.NewHandle(v)
	return p
}

func unbox[T any](p unsafe.Pointer) T { return (*(*cgo.Handle)(p)).Value().(T) }

func deleteBox() unsafe.Pointer { return unsafe.Pointer(C.weir_delete_t(C.weirDelete)) }

//export weirDelete
func weirDelete(p unsafe.Pointer) {
	h := *(*cgo.Handle)(p)
	if d, ok := h.Value().(interface{ destroy() }); ok {
		d.destroy()
	}
	h.Delete()
	C.free(p)
}

// registerScan makes inputs readable as weir_arrow(index).
func (d *database) registerScan() error {
	f := ddb.CreateTableFunction()
	defer ddb.DestroyTableFunction(&f)
	ddb.TableFunctionSetName(f, scanFunction)
	t := ddb.CreateLogicalType(ddb.TypeBigInt)
	ddb.TableFunctionAddParameter(f, t)
	ddb.DestroyLogicalType(&t)
	ddb.TableFunctionSetExtraInfo(f, box(d), deleteBox())
	ddb.TableFunctionSetBind(f, unsafe.Pointer(C.weir_bind_t(C.weirScanBind)))
	ddb.TableFunctionSetInit(f, unsafe.Pointer(C.weir_bind_t(C.weirScanInit)))
	ddb.TableFunctionSetLocalInit(f, unsafe.Pointer(C.weir_bind_t(C.weirScanLocal)))
	ddb.TableFunctionSetFunction(f, unsafe.Pointer(C.weir_read_t(C.weirScanRead)))
	ddb.TableFunctionSupportsProjectionPushdown(f, true)
	if ddb.RegisterTableFunction(d.conn, f) != ddb.StateSuccess {
		return errkind.Errorf(errkind.Bug, "register %s with DuckDB", scanFunction)
	}
	return nil
}

// scanBound is one use of an input in the text.
type scanBound struct {
	q  *query
	in *input
}

//export weirScanBind
func weirScanBind(p unsafe.Pointer) {
	info := ddb.BindInfo{Ptr: p}
	q := unbox[*database](ddb.BindGetExtraInfo(info)).current.Load()
	if err := q.bindScan(info); err != nil {
		q.fail(err)
		ddb.BindSetError(info, err.Error())
	}
}

func (q *query) bindScan(info ddb.BindInfo) error {
	v := ddb.BindGetParameter(info, 0)
	n := ddb.GetInt64(v)
	ddb.DestroyValue(&v)
	if n < 0 || n >= int64(len(q.inputs)) {
		return errkind.Errorf(errkind.Bug, "%s(%d): the query has %d inputs", scanFunction, n, len(q.inputs))
	}
	in := q.inputs[n]
	for _, f := range in.schema.Fields() {
		t, err := logicalType(f.Type)
		if err != nil {
			return fmt.Errorf("input %d, column %s: %w", n, f.Name, err)
		}
		ddb.BindAddResultColumn(info, f.Name, t)
		ddb.DestroyLogicalType(&t)
	}
	if in.rows >= 0 {
		ddb.BindSetCardinality(info, ddb.IdxT(in.rows), false)
	}
	ddb.BindSetBindData(info, box(&scanBound{q: q, in: in}), deleteBox())
	return nil
}

// scanPass is one execution of a scan, shared by its threads.
type scanPass struct {
	q      *query
	st     *stream
	schema *arrow.Schema // of the asked columns
	place  []int         // output column -> column of schema; -1: nobody looks at it
}

func (s *scanPass) destroy() { s.st.destroy() }

//export weirScanInit
func weirScanInit(p unsafe.Pointer) {
	info := ddb.InitInfo{Ptr: p}
	b := unbox[*scanBound](ddb.InitGetBindData(info))
	pass, err := b.start(info)
	if err != nil {
		b.q.fail(err)
		ddb.InitSetError(info, err.Error())
		return
	}
	threads := b.q.srv.setup.Threads
	if b.in.rows >= 0 && b.in.rows <= smallRows {
		threads = 1
	}
	ddb.InitSetMaxThreads(info, ddb.IdxT(threads))
	ddb.InitSetInitData(info, box(pass), deleteBox())
}

func (b *scanBound) start(info ddb.InitInfo) (*scanPass, error) {
	pass := &scanPass{q: b.q}
	var asked []int
	for i := range int(ddb.InitGetColumnCount(info)) {
		c := uint64(ddb.InitGetColumnIndex(info, ddb.IdxT(i)))
		if c >= uint64(b.in.schema.NumFields()) { // a virtual column: only rows are counted
			pass.place = append(pass.place, -1)
			continue
		}
		pass.place = append(pass.place, len(asked))
		asked = append(asked, int(c))
	}
	if len(asked) == 0 {
		asked = []int{0}
	}
	fields := make([]arrow.Field, len(asked))
	for i, c := range asked {
		fields[i] = b.in.schema.Field(c)
	}
	pass.schema = arrow.NewSchema(fields, nil)
	st, err := b.q.srv.open(b.in.index, asked)
	if err != nil {
		return nil, err
	}
	b.q.mu.Lock()
	canceled := b.q.mu.canceled
	b.q.mu.Unlock()
	if canceled { // the cancel may have come before the stream was known
		st.end(errCanceled)
	}
	pass.st = st
	return pass, nil
}

// scanThread is one thread's part of a pass.
type scanThread struct {
	maker *chunkMaker
	chunk ddb.DataChunk
	rows  int
	pos   int
}

func (t *scanThread) destroy() {
	t.drop()
	if t.maker != nil {
		t.maker.destroy()
	}
}

func (t *scanThread) drop() {
	if t.chunk.Ptr != nil {
		ddb.DestroyDataChunk(&t.chunk)
	}
}

//export weirScanLocal
func weirScanLocal(p unsafe.Pointer) {
	ddb.InitSetInitData(ddb.InitInfo{Ptr: p}, box(&scanThread{}), deleteBox())
}

//export weirScanRead
func weirScanRead(p, out unsafe.Pointer) {
	info, chunk := ddb.FunctionInfo{Ptr: p}, ddb.DataChunk{Ptr: out}
	pass := unbox[*scanPass](ddb.FunctionGetInitData(info))
	t := unbox[*scanThread](ddb.FunctionGetLocalInitData(info))
	if err := pass.read(t, chunk); err != nil {
		pass.q.fail(err)
		ddb.FunctionSetError(info, err.Error())
	}
}

// read fills one chunk; no rows mean the end.
func (s *scanPass) read(t *scanThread, out ddb.DataChunk) error {
	for t.pos == t.rows {
		more, err := s.load(t)
		if err != nil {
			return err
		}
		if !more {
			ddb.DataChunkSetSize(out, 0)
			return nil
		}
	}
	n := min(t.rows-t.pos, int(ddb.VectorSize()))
	// DuckDB keeps the selection as long as the vectors, so each chunk gets its own.
	sel := ddb.CreateSelectionVector(ddb.IdxT(n))
	defer ddb.DestroySelectionVector(&sel)
	idx := unsafe.Slice((*uint32)(unsafe.Pointer(ddb.SelectionVectorGetDataPtr(sel))), n)
	for i := range idx {
		idx[i] = uint32(t.pos + i)
	}
	for o, c := range s.place {
		if c < 0 {
			continue
		}
		to := ddb.DataChunkGetVector(out, ddb.IdxT(o))
		ddb.VectorReferenceVector(to, ddb.DataChunkGetVector(t.chunk, ddb.IdxT(c)))
		ddb.SliceVector(to, sel, ddb.IdxT(n))
	}
	ddb.DataChunkSetSize(out, ddb.IdxT(n))
	t.pos += n
	return nil
}

// load converts the next batch.
func (s *scanPass) load(t *scanThread) (bool, error) {
	t.drop()
	t.rows, t.pos = 0, 0
	b, err := s.st.next(s.q.mem)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer b.Release()
	plain, err := conformBatch(b, s.schema)
	if err != nil {
		return false, err
	}
	defer plain.Release()
	if t.maker == nil {
		if t.maker, err = newChunkMaker(s.q.db.conv, s.schema); err != nil {
			return false, err
		}
	}
	if plain.NumRows() == 0 {
		return true, nil
	}
	if t.chunk, err = t.maker.make(plain); err != nil {
		return false, err
	}
	t.rows = int(plain.NumRows())
	return true, nil
}
