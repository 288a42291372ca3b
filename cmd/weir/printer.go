package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

// Limits of the table format, which needs all rows before it can align them. Longer results are aligned in parts.
const (
	tableRowsMax = 1000
	cellRunesMax = 120
)

// printer writes the rows of one query after the other in one of the formats.
type printer struct {
	w      *bufio.Writer
	format string
	cols   []plan.Column
	enc    *rowjson.Encoder
	csv    *csv.Writer
	arrow  *ipc.Writer
	out    io.Writer
	rows   [][]string
	total  int
}

func newPrinter(w io.Writer, format string) *printer {
	return &printer{w: bufio.NewWriter(w), out: w, format: format}
}

func fieldsOf(cols []plan.Column) []schema.Field {
	out := make([]schema.Field, len(cols))
	for i, c := range cols {
		out[i] = schema.Field{Name: c.Name, Type: c.Type}
	}
	return out
}

// begin starts a query's rows.
func (p *printer) begin(cols []plan.Column) error {
	var err error
	p.cols = cols
	if p.enc, err = rowjson.NewEncoder(fieldsOf(cols), rowjson.EncodeOptions{}); err != nil {
		return err
	}
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	if p.format == "arrow" {
		sc, err := arrowSchema(cols)
		if err != nil {
			return err
		}
		p.arrow = ipc.NewWriter(p.w, ipc.WithSchema(sc))
	}
	return p.header(names)
}

// header starts rows of text.
func (p *printer) header(names []string) error {
	p.total = 0
	switch p.format {
	case "csv":
		p.csv = csv.NewWriter(p.w)
		return p.csv.Write(names)
	case "table":
		p.rows = [][]string{names}
	}
	return nil
}

// row writes a row of text, of the formats csv and table.
func (p *printer) row(cells []string) error {
	p.total++
	if p.format == "csv" {
		return p.csv.Write(cells)
	}
	if p.rows = append(p.rows, cells); len(p.rows) > tableRowsMax {
		return p.flush()
	}
	return nil
}

// batch writes rows.
func (p *printer) batch(rec arrow.RecordBatch) error {
	n := int(rec.NumRows())
	switch p.format {
	case "jsonl":
		var buf []byte
		for i := range n {
			buf = append(p.enc.AppendRow(buf[:0], rec, i), '\n')
			if _, err := p.w.Write(buf); err != nil {
				return err
			}
		}
		return nil
	case "arrow":
		return p.arrow.Write(rec)
	}
	for i := range n {
		row := make([]string, len(p.cols))
		for c := range row {
			row[c] = p.cell(c, rec.Column(c), i)
		}
		if err := p.row(row); err != nil {
			return err
		}
	}
	return nil
}

// cell is a value as text: strings without quotes, NULL as nothing in CSV and as NULL in tables.
func (p *printer) cell(c int, col arrow.Array, row int) string {
	return p.text(string(p.enc.AppendCell(nil, c, col, row)))
}

// text is a JSON value as text.
func (p *printer) text(text string) string {
	if text == "null" {
		return map[string]string{"table": "NULL"}[p.format]
	}
	if s, ok := unquote(text); ok {
		return s
	}
	return text
}

// flush writes what the table format holds, so that a stream's changes are seen as they come.
func (p *printer) flush() error {
	if p.format == "table" && len(p.rows) > 1 {
		writeTable(p.w, p.rows)
		p.rows = p.rows[:1]
	}
	if p.csv != nil {
		p.csv.Flush()
	}
	return p.w.Flush()
}

// end finishes a query's rows.
func (p *printer) end() error {
	if p.format == "table" {
		if p.total == 0 && len(p.rows) > 0 {
			writeTable(p.w, p.rows)
		}
		if err := p.flush(); err != nil {
			return err
		}
		fmt.Fprintf(p.w, "%d %s\n", p.total, map[bool]string{true: "row", false: "rows"}[p.total == 1])
	}
	if p.arrow != nil {
		if err := p.arrow.Close(); err != nil {
			return err
		}
		p.arrow = nil
	}
	return p.flush()
}

// writeTable aligns rows, the first of which is the header.
func writeTable(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i := range r {
			r[i] = shorten(r[i])
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	for n, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(cell)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)))
			}
		}
		fmt.Fprintln(w, b.String())
		if n == 0 {
			parts := make([]string, len(width))
			for i, n := range width {
				parts[i] = strings.Repeat("-", n)
			}
			fmt.Fprintln(w, strings.Join(parts, "-+-"))
		}
	}
}

func shorten(s string) string {
	if strings.ContainsAny(s, "\r\t") {
		s = strings.NewReplacer("\r", `\r`, "\t", `\t`).Replace(s)
	}
	if utf8.RuneCountInString(s) <= cellRunesMax || strings.Contains(s, "\n") {
		return s
	}
	return string([]rune(s)[:cellRunesMax-1]) + "…"
}
