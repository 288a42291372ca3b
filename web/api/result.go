package api

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

// Formats of rows and their media types.
const (
	formatJSON    = "json"
	formatNDJSON  = "ndjson"
	formatCSV     = "csv"
	formatArrow   = "arrow"
	formatParquet = "parquet"

	typeJSON    = "application/json"
	typeNDJSON  = "application/x-ndjson"
	typeCSV     = "text/csv"
	typeArrow   = "application/vnd.apache.arrow.stream"
	typeParquet = "application/vnd.apache.parquet"
)

// holdBuffer is the part of an answer that is made but not sent.
type holdBuffer struct{ bytes.Buffer }

// summary is what a JSON answer says after its rows.
type summary struct {
	Rows       int64        `json:"rows"`
	Cut        *session.Cut `json:"cut,omitempty"`
	Engine     string       `json:"engine,omitempty"`
	Class      string       `json:"class,omitempty"`
	Message    string       `json:"message,omitempty"`
	Statistics *statistics  `json:"statistics,omitempty"`
	Error      *Problem     `json:"error,omitempty"`
}

type statistics struct {
	ElapsedMillis int64  `json:"elapsed_ms"`
	QueryID       string `json:"query_id,omitempty"`
}

// rowWriter writes rows in one format.
type rowWriter interface {
	contentType() string
	batch(b arrow.RecordBatch) error
	end(s summary) error
	// fail ends the answer with the problem; false: the format has no way to say it.
	fail(p *Problem) bool
}

func newRowWriter(kind string, out *holdBuffer, cols []plan.Column, bigIntString bool) (rowWriter, error) {
	fields := make([]schema.Field, len(cols))
	for i, c := range cols {
		fields[i] = schema.Field{ID: i, Name: c.Name, Type: c.Type}
	}
	switch kind {
	case formatArrow:
		return newArrowWriter(out, fields)
	case formatParquet:
		return newParquetWriter(out, fields)
	}
	enc, err := rowjson.NewEncoder(fields, rowjson.EncodeOptions{BigIntString: bigIntString})
	if err != nil {
		return nil, err
	}
	switch kind {
	case formatNDJSON:
		return &ndjsonWriter{out: out, enc: enc}, nil
	case formatCSV:
		return newCSVWriter(out, enc, fields), nil
	default:
		return newJSONWriter(out, enc, fields)
	}
}

// Row is an object with the columns as members.
type Row json.RawMessage

// MarshalJSON gives the text.
func (r Row) MarshalJSON() ([]byte, error) { return json.RawMessage(r).MarshalJSON() }

// Schema implements huma.SchemaProvider.
func (Row) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "the columns as members"}
}

// Column is a column of an answer.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func columnsOf(fields []schema.Field) []Column {
	out := make([]Column, len(fields))
	for i, f := range fields {
		out[i] = Column{f.Name, f.Type.String()}
	}
	return out
}

// jsonWriter writes one object.
type jsonWriter struct {
	out  *holdBuffer
	enc  *rowjson.Encoder
	buf  []byte
	rows int64
}

func newJSONWriter(out *holdBuffer, enc *rowjson.Encoder, fields []schema.Field) (*jsonWriter, error) {
	cols, err := json.Marshal(columnsOf(fields))
	if err != nil {
		return nil, fmt.Errorf("encode columns: %w", err)
	}
	fmt.Fprintf(out, `{"columns":%s,"data":[`, cols)
	return &jsonWriter{out: out, enc: enc}, nil
}

func (w *jsonWriter) contentType() string { return typeJSON }

func (w *jsonWriter) batch(b arrow.RecordBatch) error {
	w.buf = w.buf[:0]
	for i := range int(b.NumRows()) {
		if w.rows > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = w.enc.AppendRow(append(w.buf, '\n'), b, i)
		w.rows++
	}
	w.out.Write(w.buf)
	return nil
}

func (w *jsonWriter) end(s summary) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	if w.rows > 0 {
		w.out.WriteByte('\n')
	}
	w.out.WriteString("],")
	w.out.Write(data[1:]) // the members without the brace
	w.out.WriteByte('\n')
	return nil
}

func (w *jsonWriter) fail(p *Problem) bool { return w.end(summary{Rows: w.rows, Error: p}) == nil }

// ndjsonWriter writes an object a line.
type ndjsonWriter struct {
	out *holdBuffer
	enc *rowjson.Encoder
	buf []byte
}

func (w *ndjsonWriter) contentType() string { return typeNDJSON }

func (w *ndjsonWriter) batch(b arrow.RecordBatch) error {
	w.buf = w.enc.AppendLines(w.buf[:0], b)
	w.out.Write(w.buf)
	return nil
}

func (w *ndjsonWriter) end(summary) error { return nil }

func (w *ndjsonWriter) fail(p *Problem) bool {
	data, err := json.Marshal(map[string]*Problem{"error": p})
	if err != nil {
		return false
	}
	w.out.Write(append(data, '\n'))
	return true
}

// csvWriter writes RFC 4180 with a header line. NULL is an empty field, the empty string is "".
type csvWriter struct {
	out *holdBuffer
	enc *rowjson.Encoder
	buf []byte
	one []byte
}

func newCSVWriter(out *holdBuffer, enc *rowjson.Encoder, fields []schema.Field) *csvWriter {
	w := &csvWriter{out: out, enc: enc}
	for i, f := range fields {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = appendCSV(w.buf, []byte(f.Name))
	}
	out.Write(append(w.buf, '\r', '\n'))
	return w
}

func (w *csvWriter) contentType() string { return typeCSV + "; charset=utf-8; header=present" }

func (w *csvWriter) batch(b arrow.RecordBatch) error {
	w.buf = w.buf[:0]
	for row := range int(b.NumRows()) {
		for i, col := range b.Columns() {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			if err := w.cell(i, col, row); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, '\r', '\n')
	}
	w.out.Write(w.buf)
	return nil
}

// cell writes a value as JSON has it, without the quotes of a JSON string.
func (w *csvWriter) cell(i int, col arrow.Array, row int) error {
	if col.IsNull(row) {
		return nil
	}
	if s, ok := col.(*array.String); ok {
		w.buf = appendCSV(w.buf, []byte(s.Value(row)))
		return nil
	}
	w.one = w.enc.AppendCell(w.one[:0], i, col, row)
	if w.one[0] != '"' {
		w.buf = appendCSV(w.buf, w.one)
		return nil
	}
	var text string
	if err := json.Unmarshal(w.one, &text); err != nil {
		return fmt.Errorf("encode as CSV: %w", err)
	}
	w.buf = appendCSV(w.buf, []byte(text))
	return nil
}

func appendCSV(dst, v []byte) []byte {
	if len(v) > 0 && !bytes.ContainsAny(v, "\",\r\n") && v[0] != ' ' && v[len(v)-1] != ' ' {
		return append(dst, v...)
	}
	dst = append(dst, '"')
	dst = append(dst, bytes.ReplaceAll(v, []byte{'"'}, []byte{'"', '"'})...)
	return append(dst, '"')
}

func (w *csvWriter) end(summary) error  { return nil }
func (w *csvWriter) fail(*Problem) bool { return false }

// arrowWriter writes Arrow's stream format.
type arrowWriter struct {
	schema *arrow.Schema
	ipc    *ipc.Writer
}

func newArrowWriter(out *holdBuffer, fields []schema.Field) (*arrowWriter, error) {
	sc, err := schema.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	return &arrowWriter{sc, ipc.NewWriter(out, ipc.WithSchema(sc))}, nil
}

func (w *arrowWriter) contentType() string { return typeArrow }

func (w *arrowWriter) batch(b arrow.RecordBatch) error {
	named := array.NewRecordBatch(w.schema, b.Columns(), b.NumRows())
	defer named.Release()
	if err := w.ipc.Write(named); err != nil {
		return fmt.Errorf("encode as Arrow: %w", err)
	}
	return nil
}

func (w *arrowWriter) end(summary) error {
	if err := w.ipc.Close(); err != nil {
		return fmt.Errorf("encode as Arrow: %w", err)
	}
	return nil
}

func (w *arrowWriter) fail(*Problem) bool { return false }

// parquetGroupRows bounds what is held in memory until a row group is complete.
const parquetGroupRows = 128 << 10

// parquetWriter writes one Parquet file.
type parquetWriter struct {
	schema *arrow.Schema
	file   *format.Writer
}

func newParquetWriter(out *holdBuffer, fields []schema.Field) (*parquetWriter, error) {
	sc, err := schema.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	file, err := format.NewWriter(out, sc, format.Options{RowGroupRows: parquetGroupRows})
	if err != nil {
		return nil, fmt.Errorf("encode as Parquet: %w", err)
	}
	return &parquetWriter{sc, file}, nil
}

func (w *parquetWriter) contentType() string { return typeParquet }

func (w *parquetWriter) batch(b arrow.RecordBatch) error {
	named := array.NewRecordBatch(w.schema, b.Columns(), b.NumRows())
	defer named.Release()
	if err := w.file.Write(named); err != nil {
		return fmt.Errorf("encode as Parquet: %w", err)
	}
	return nil
}

func (w *parquetWriter) end(summary) error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("encode as Parquet: %w", err)
	}
	return nil
}

func (w *parquetWriter) fail(*Problem) bool { return false }
