//go:build duckdb_arrow && cgo

package worker

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/arrow/memory/mallocator"
	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// interruptEvery is how often a canceled query is interrupted again: DuckDB
// forgets an interrupt that arrives before it starts to execute.
const interruptEvery = 20 * time.Millisecond

// query is the one running query.
type query struct {
	srv    *server
	db     *database
	req    wire.RequestMsg
	inputs []*input
	env    expr.Env
	// mem holds batches that DuckDB refers to: C memory, as cgo demands.
	mem   memory.Allocator
	fatal bool // DuckDB said that its instance is broken

	mu struct {
		sync.Mutex
		canceled bool
		err      error // first error of an input or function, with its kind
	}
	ended chan struct{} // closed at the end of run
}

// input is an Arrow input as DuckDB sees it.
type input struct {
	index  int
	schema *arrow.Schema // without zones
	rows   int64
}

func newQuery(s *server, db *database, req wire.RequestMsg) *query {
	return &query{srv: s, db: db, req: req, mem: mallocator.NewMallocator(), ended: make(chan struct{})}
}

// cancel makes the query end soon. It returns at once.
func (q *query) cancel() {
	q.mu.Lock()
	first := !q.mu.canceled
	q.mu.canceled = true
	q.mu.Unlock()
	if first {
		go q.interrupt()
	}
}

func (q *query) interrupt() {
	tick := time.NewTicker(interruptEvery)
	defer tick.Stop()
	for {
		select {
		case <-q.ended:
			return
		default:
			ddb.Interrupt(q.db.conn)
		}
		select {
		case <-q.ended:
			return
		case <-tick.C:
		}
	}
}

// fail keeps the first error that Go code met inside DuckDB: DuckDB hands on only its text.
func (q *query) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.err == nil {
		q.mu.err = err
	}
}

// cause is the query's error given DuckDB's.
func (q *query) cause(err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.mu.canceled:
		return errCanceled
	case q.mu.err != nil:
		return q.mu.err
	case q.blamesFile(err):
		return errkind.Wrap(errkind.Corrupt, err)
	default:
		return err
	}
}

// blamesFile reports an error that names one of the query's files: what is wrong then is
// the file, though DuckDB calls its content invalid input.
func (q *query) blamesFile(err error) bool {
	if k := errkind.Of(err); k != errkind.Invalid && k != errkind.Bug {
		return false
	}
	for _, path := range q.req.Paths {
		if strings.Contains(err.Error(), path) {
			return true
		}
	}
	return false
}

// run executes the query and sends its rows.
func (q *query) run() (rows int64, err error) {
	defer func() {
		close(q.ended)
		if err != nil {
			err = q.cause(err)
		}
	}()
	want, err := schema.ArrowSchema(q.req.Output)
	if err != nil {
		return 0, fmt.Errorf("output of query: %w", err)
	}
	if err := q.addInputs(); err != nil {
		return 0, err
	}
	if q.env, err = envOf(q.req.Env); err != nil {
		return 0, err
	}
	q.db.current.Store(q)
	defer q.db.current.Store(nil)
	if err := q.db.addFunctions(q.req.UDFs); err != nil {
		return 0, err
	}
	var stmt ddb.PreparedStatement
	defer ddb.DestroyPrepare(&stmt)
	if ddb.Prepare(q.db.conn, q.req.SQL, &stmt) != ddb.StateSuccess {
		return 0, prepareError(ddb.PrepareError(stmt))
	}
	if t := ddb.PreparedStatementType(stmt); t != ddb.StatementTypeSelect {
		return 0, errkind.Errorf(errkind.Bug, "a worker runs only SELECT, not a statement of type %d", t)
	}
	var res ddb.Result
	defer ddb.DestroyResult(&res)
	if ddb.ExecutePreparedStreaming(stmt, &res) != ddb.StateSuccess {
		return 0, q.resultError(&res)
	}
	return q.send(&res, want)
}

// prepareError is the error of a text that does not bind, or whose constants fail.
func prepareError(msg string) error {
	for prefix, t := range map[string]ddb.ErrorType{
		"Conversion": ddb.ErrorTypeConversion, "Out of Range": ddb.ErrorTypeOutOfRange,
		"Invalid Input": ddb.ErrorTypeInvalidInput, "Out of Memory": ddb.ErrorTypeOutOfMemory,
		"IO": ddb.ErrorTypeErrorIO, "INTERRUPT": ddb.ErrorTypeInterrupt,
	} {
		if len(msg) > len(prefix) && msg[:len(prefix)] == prefix {
			return errorOf(t, msg)
		}
	}
	return errorOf(ddb.ErrorTypeBinder, msg)
}

func (q *query) resultError(res *ddb.Result) error {
	t := ddb.ResultErrorType(res)
	q.fatal = t == ddb.ErrorTypeFatal || t == ddb.ErrorTypeInternal
	return errorOf(t, ddb.ResultError(res))
}

func (q *query) addInputs() error {
	for i, msg := range q.req.Inputs {
		r, err := ipc.NewReader(bytes.NewReader(msg.Schema))
		if err != nil {
			return fmt.Errorf("decode schema of input %d: %w", i, err)
		}
		fields := make([]arrow.Field, r.Schema().NumFields())
		for j, f := range r.Schema().Fields() {
			fields[j] = arrow.Field{Name: fmt.Sprintf("c%d", j), Type: withoutZones(f.Type), Nullable: true}
		}
		r.Release()
		q.inputs = append(q.inputs, &input{index: i, schema: arrow.NewSchema(fields, nil), rows: msg.Rows})
	}
	return nil
}

// send streams the result's chunks. The schema goes with the first of them, so
// that an error before the first row is the answer to the request.
func (q *query) send(res *ddb.Result, want *arrow.Schema) (int64, error) {
	conv, err := newChunkReader(res)
	if err != nil {
		return 0, err
	}
	defer conv.destroy()
	pieces := &wire.Pieces{W: q.srv.w, Kind: wire.Result}
	out := ipc.NewWriter(pieces, ipc.WithSchema(want))
	var rows int64
	for {
		n, err := q.sendChunk(res, conv, out, want)
		if err != nil {
			return rows, err
		}
		if n == 0 {
			break
		}
		rows += n
		if err := pieces.Flush(); err != nil {
			return rows, err
		}
	}
	return rows, errors.Join(out.Close(), pieces.Flush())
}

// sendChunk sends one chunk and returns its rows; 0 at the end.
func (q *query) sendChunk(res *ddb.Result, conv *chunkReader, out *ipc.Writer, want *arrow.Schema) (int64, error) {
	chunk := ddb.FetchChunk(*res)
	if chunk.Ptr == nil {
		if msg := ddb.ResultError(res); msg != "" {
			return 0, q.resultError(res)
		}
		return 0, nil
	}
	defer ddb.DestroyDataChunk(&chunk)
	if ddb.DataChunkGetSize(chunk) == 0 {
		return 0, nil
	}
	raw, err := conv.read(chunk)
	if err != nil {
		return 0, err
	}
	defer raw.Release()
	b, err := conformBatch(raw, want)
	if err != nil {
		return 0, err
	}
	defer b.Release()
	if err := out.Write(b); err != nil {
		return 0, fmt.Errorf("encode result: %w", err)
	}
	return b.NumRows(), nil
}
