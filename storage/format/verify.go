package format

import (
	"context"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/weir-lake/weir/internal/errkind"
)

// Verify reads every page of the file, which checks the checksums of pages that
// have one and the compressed frames of the others, and returns the number of
// rows found. A file whose columns disagree on it is Corrupt.
func (ft *Footer) Verify(ctx context.Context) (rows int64, err error) {
	defer recoverTo(&err, errkind.Corrupt, "verify parquet "+ft.name)
	for _, g := range ft.pq.RowGroups() {
		for _, chunk := range g.ColumnChunks() {
			n, err := ft.verifyChunk(ctx, chunk)
			if err != nil {
				return rows, err
			}
			if n != g.NumRows() {
				return rows, errkind.Errorf(errkind.Corrupt, "parquet file %s: column %d holds %d rows in a row group of %d", ft.name, chunk.Column(), n, g.NumRows())
			}
		}
		rows += g.NumRows()
	}
	return rows, nil
}

func (ft *Footer) verifyChunk(ctx context.Context, chunk parquet.ColumnChunk) (rows int64, err error) {
	pages := chunk.Pages()
	defer pages.Close()
	for {
		if err := ctx.Err(); err != nil {
			return rows, err
		}
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, asCorrupt(err, ft.name, "a page cannot be read")
		}
		rows += page.NumRows()
		parquet.Release(page)
	}
}
