package tablecmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// Create is `weir table create`.
type Create struct {
	Path
	Column        []string          `help:"A column: name and SQL type; repeat for each." placeholder:"'NAME TYPE'" required:"" sep:"none"`
	PrimaryKey    []string          `help:"Columns of the primary key." placeholder:"a,b"`
	PartitionedBy []string          `help:"Partition columns." placeholder:"a,b"`
	Option        map[string]string `help:"A table option; may be repeated." placeholder:"K=V" mapsep:"none"`
	Comment       string            `help:"What the table is for."`
}

// Run makes the table.
func (c *Create) Run(env *Env) error {
	d := schema.Definition{PrimaryKeys: c.PrimaryKey, PartitionKeys: c.PartitionedBy, Options: c.Option, Comment: c.Comment}
	for _, text := range c.Column {
		name, typeText, ok := strings.Cut(strings.TrimSpace(text), " ")
		if !ok {
			return errkind.Errorf(errkind.Invalid, "--column: %q: write the name and the type, such as 'id BIGINT NOT NULL'", text)
		}
		typ, err := schema.ParseType(typeText)
		if err != nil {
			return errkind.Errorf(errkind.Invalid, "--column: %s: %w", name, err)
		}
		d.Fields = append(d.Fields, schema.Field{Name: strings.Trim(name, "`"), Type: typ})
	}
	if err := catalog.CheckSecrets(d.Options); err != nil {
		return err
	}
	store, err := objstore.Open(env.Ctx, c.Path.Path, objstore.Options{})
	if err != nil {
		return err
	}
	t, err := table.Create(env.Ctx, store, "", d, table.Options{})
	if err != nil {
		return err
	}
	return env.result(map[string]any{"path": t.Path(), "schema": t.Schema().ID}, "created "+t.Path())
}

// Write is `weir table write`.
type Write struct {
	Path
	Rows      string `help:"File of JSON rows, one a line or one array; - is stdin. A member _kind (+I, -U, +U, -D) says what a row does." placeholder:"FILE.jsonl" required:""`
	Branch    string `help:"Write to a branch." placeholder:"B"`
	Overwrite bool   `help:"Replace the partitions that the rows touch; all of a table without partitions."`
}

// chunkBytes is how much of the input is decoded at once: enough for good
// batches, little beside the writer's buffer.
const chunkBytes = 4 << 20

// lineBytesMax bounds one row of the input.
const lineBytesMax = 64 << 20

// Run writes and commits; nothing is committed if a row is bad.
func (c *Write) Run(env *Env) error {
	in, name, err := c.input(env)
	if err != nil {
		return err
	}
	defer in.Close()
	t, err := c.open(env, table.Options{Branch: c.Branch})
	if err != nil {
		return err
	}
	w, err := t.NewWriter(write.Options{})
	if err != nil {
		return err
	}
	n, err := load(env.Ctx, t, w, in)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w: nothing was written; mend the row and run it again", name, err), w.Abort(context.WithoutCancel(env.Ctx)))
	}
	res, err := c.commit(env, t, w)
	if err != nil {
		return err
	}
	if res.Skipped {
		return env.result(map[string]any{"rows": 0, "snapshot": nil}, "no rows, nothing written")
	}
	return env.result(map[string]any{"rows": n, "snapshot": res.Snapshot.ID}, fmt.Sprintf("%d rows in snapshot %d", n, res.Snapshot.ID))
}

func (c *Write) input(env *Env) (io.ReadCloser, string, error) {
	if c.Rows == "-" {
		return io.NopCloser(env.Stdin), "stdin", nil
	}
	f, err := os.Open(c.Rows)
	if err != nil {
		return nil, "", errkind.Errorf(errkind.NotFound, "--rows: %w", err)
	}
	return f, c.Rows, nil
}

func (c *Write) commit(env *Env, t *table.Table, w *write.Writer) (*commit.Result, error) {
	if !c.Overwrite {
		return t.Flush(env.Ctx, w, snapshot.Append, nil)
	}
	messages, err := w.Prepare(env.Ctx)
	if err != nil {
		return nil, errors.Join(err, w.Abort(context.WithoutCancel(env.Ctx)))
	}
	touched := map[string]bool{}
	for i := range messages {
		touched[string(messages[i].Partition)] = true
	}
	all := len(t.Schema().PartitionKeys) == 0
	res, err := t.CommitMessages(env.Ctx, snapshot.Overwrite, messages, &commit.Overwrite{Match: func(p []byte) bool { return all || touched[string(p)] }})
	if err != nil && !errors.Is(err, commit.ErrUnknown) {
		err = errors.Join(err, w.Discard(context.WithoutCancel(env.Ctx), messages))
	}
	return res, err
}

// load decodes the input in chunks of whole lines and hands them to the writer.
func load(ctx context.Context, t *table.Table, w *write.Writer, in io.Reader) (int, error) {
	dec, err := rowjson.NewDecoder(t.Schema().Fields, rowjson.DecodeOptions{Kinds: true, RefuseUnknown: true})
	if err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(in, 1<<20)
	total, lines := 0, 0
	for {
		chunk, end, err := nextChunk(r)
		if err != nil {
			return total, fmt.Errorf("after line %d: %w", lines, err)
		}
		if len(bytes.TrimSpace(chunk)) > 0 {
			n, err := dec.AppendAll(chunk, nil)
			if err != nil {
				return total, place(err, lines, chunk)
			}
			total += n
			if err := hand(ctx, w, dec); err != nil {
				return total, fmt.Errorf("lines %d to %d: %w", lines+1, lines+bytes.Count(chunk, []byte("\n")), err)
			}
		}
		lines += bytes.Count(chunk, []byte("\n"))
		if end {
			return total, nil
		}
	}
}

// place turns a row's number inside the chunk into one inside the input.
func place(err error, lines int, chunk []byte) error {
	var row *rowjson.RowError
	if !errors.As(err, &row) {
		return fmt.Errorf("after line %d: %w", lines, err)
	}
	moved := *row
	if bytes.HasPrefix(bytes.TrimSpace(chunk), []byte("[")) {
		return errkind.Wrap(errkind.Invalid, &moved) // an array: rows have no lines
	}
	moved.Row += lines
	return errkind.Wrap(errkind.Invalid, &moved)
}

func hand(ctx context.Context, w *write.Writer, dec *rowjson.Decoder) error {
	rec, kinds, err := dec.Flush()
	if err != nil {
		return err
	}
	defer rec.Release()
	if rec.NumRows() == 0 {
		return nil
	}
	return w.Write(ctx, rec, kinds)
}

// nextChunk reads whole lines of about chunkBytes; an array is read whole.
func nextChunk(r *bufio.Reader) (chunk []byte, end bool, err error) {
	first, err := r.Peek(1)
	if errors.Is(err, io.EOF) {
		return nil, true, nil
	}
	array := err == nil && first[0] == '['
	for array || len(chunk) < chunkBytes {
		line, err := r.ReadSlice('\n')
		chunk = append(chunk, line...)
		if errors.Is(err, io.EOF) {
			return chunk, true, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, false, err
		}
		for errors.Is(err, bufio.ErrBufferFull) && len(chunk) < chunkBytes+lineBytesMax { // a line longer than the buffer goes on
			line, err = r.ReadSlice('\n')
			chunk = append(chunk, line...)
		}
		if len(chunk) >= chunkBytes+lineBytesMax {
			return nil, false, errkind.Errorf(errkind.Exhausted, "a row or array is longer than %d MiB: write one row a line", lineBytesMax>>20)
		}
		if errors.Is(err, io.EOF) {
			return chunk, true, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return chunk, false, nil
}
