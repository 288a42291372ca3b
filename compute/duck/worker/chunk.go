//go:build duckdb_arrow && cgo

package worker

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/internal/errkind"
)

// chunkReader turns DuckDB chunks of fixed types into Arrow batches. DuckDB
// copies the values, so a batch outlives its chunk.
type chunkReader struct {
	opts   ddb.ArrowOptions
	schema *arrow.Schema
}

// newChunkReader reads the chunks of a result.
func newChunkReader(res *ddb.Result) (*chunkReader, error) {
	n := int(ddb.ColumnCount(res))
	types := make([]ddb.LogicalType, n)
	for i := range types {
		types[i] = ddb.ColumnLogicalType(res, ddb.IdxT(i))
	}
	defer destroyTypes(types)
	return readerFor(ddb.ResultGetArrowOptions(res), types)
}

// newVectorReader reads chunks with the given types, which stay the caller's.
func newVectorReader(conn ddb.Connection, types []ddb.LogicalType) (*chunkReader, error) {
	var opts ddb.ArrowOptions
	ddb.ConnectionGetArrowOptions(conn, &opts)
	return readerFor(opts, types)
}

func readerFor(opts ddb.ArrowOptions, types []ddb.LogicalType) (*chunkReader, error) {
	names := make([]string, len(types))
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	s, ed := ddb.NewArrowSchema(opts, types, names)
	if err := takeError("describe DuckDB columns", ed); err != nil {
		ddb.DestroyArrowOptions(&opts)
		return nil, err
	}
	return &chunkReader{opts: opts, schema: s}, nil
}

// read copies a chunk; the caller releases the batch.
func (r *chunkReader) read(chunk ddb.DataChunk) (arrow.RecordBatch, error) {
	b, ed := ddb.DataChunkToArrowArray(r.opts, r.schema, chunk)
	if err := takeError("copy DuckDB rows", ed); err != nil {
		return nil, err
	}
	return b, nil
}

func (r *chunkReader) destroy() { ddb.DestroyArrowOptions(&r.opts) }

func destroyTypes(types []ddb.LogicalType) {
	for i := range types {
		ddb.DestroyLogicalType(&types[i])
	}
}

// takeError destroys what DuckDB returned and makes an error of it.
func takeError(doing string, ed ddb.ErrorData) error {
	defer ddb.DestroyErrorData(&ed)
	if ed.Ptr == nil || !ddb.ErrorDataHasError(ed) {
		return nil
	}
	return errkind.Errorf(kindOf(ddb.ErrorDataErrorType(ed)), "%s: %s", doing, ddb.ErrorDataMessage(ed))
}

// chunkMaker turns Arrow batches of one schema into DuckDB chunks of any length,
// whose vectors refer to the batch's memory.
type chunkMaker struct {
	conn ddb.Connection
	conv ddb.ArrowConvertedSchema
}

func newChunkMaker(conn ddb.Connection, s *arrow.Schema) (*chunkMaker, error) {
	conv, ed := ddb.SchemaFromArrow(conn, s)
	if err := takeError("describe input to DuckDB", ed); err != nil {
		return nil, err
	}
	return &chunkMaker{conn: conn, conv: conv}, nil
}

// make returns the batch as a chunk, which the caller destroys. The batch may be released.
func (m *chunkMaker) make(b arrow.RecordBatch) (ddb.DataChunk, error) {
	chunk, ed := ddb.DataChunkFromArrow(m.conn, b, m.conv)
	return chunk, takeError("hand rows to DuckDB", ed)
}

func (m *chunkMaker) destroy() { ddb.DestroyArrowConvertedSchema(&m.conv) }
