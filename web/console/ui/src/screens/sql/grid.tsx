import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { count } from '../../lib/format'
import type { ResultColumn, Rows } from './arrow'

const rowPx = 26
const sampled = 200 // rows that a column's width is guessed from
const charPx = 7.4
const widthMin = 60
const widthMax = 420
/** Browsers lay out some 33 million pixels: more rows than this cannot be scrolled to. */
const shownMax = 1_000_000

function widthOf(c: ResultColumn, rows: number): number {
  let chars = Math.max(c.name.length + 1, c.type.length)
  for (let i = 0; i < Math.min(rows, sampled); i++) chars = Math.max(chars, (c.text(i) ?? 'NULL').length)
  return Math.round(Math.min(widthMax, Math.max(widthMin, chars * charPx + 22)))
}

/** Rows of any number: only those in sight are in the page. Arrow keys move, Ctrl-C copies the cell. */
export function Grid({ rows }: { rows: Rows }) {
  const scroll = useRef<HTMLDivElement>(null)
  const [cell, setCell] = useState<{ row: number; col: number }>({ row: 0, col: 0 })
  const widths = useMemo(() => rows.columns.map((c) => widthOf(c, rows.count)), [rows])
  const gutter = Math.max(44, String(rows.count).length * charPx + 18)
  const shown = Math.min(rows.count, shownMax)
  const v = useVirtualizer({ count: shown, getScrollElement: () => scroll.current, estimateSize: () => rowPx, overscan: 12 })
  const h = useVirtualizer({
    count: rows.columns.length, horizontal: true, getScrollElement: () => scroll.current, overscan: 3,
    estimateSize: (i) => widths[i] ?? widthMin, paddingStart: gutter,
  })
  useEffect(() => {
    setCell({ row: 0, col: 0 })
    scroll.current?.scrollTo(0, 0)
    h.measure()
  }, [rows, h])

  const move = (e: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((scroll.current?.clientHeight ?? rowPx) / rowPx) - 2)
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageDown: [page, 0], PageUp: [-page, 0],
      Home: e.ctrlKey ? [-shown, 0] : [0, -rows.columns.length], End: e.ctrlKey ? [shown, 0] : [0, rows.columns.length],
    }
    if ((e.ctrlKey || e.metaKey) && e.key === 'c' && !getSelection()?.toString()) {
      void navigator.clipboard.writeText(rows.columns[cell.col]?.text(cell.row) ?? '')
      return
    }
    const step = steps[e.key]
    if (!step) return
    e.preventDefault()
    const next = {
      row: Math.max(0, Math.min(shown - 1, cell.row + step[0])),
      col: Math.max(0, Math.min(rows.columns.length - 1, cell.col + step[1])),
    }
    setCell(next)
    v.scrollToIndex(next.row)
    h.scrollToIndex(next.col)
  }

  const columns = h.getVirtualItems()
  const chosen = rows.columns[cell.col]?.text(cell.row)
  return (
    <div className="sql-grid">
      <div ref={scroll} className="sql-scroll" role="grid" aria-label="Rows" aria-rowcount={rows.count + 1} aria-colcount={rows.columns.length + 1} tabIndex={0} onKeyDown={move}
        aria-activedescendant={rows.count > 0 ? `c${cell.row}-${cell.col}` : undefined}>
        <div style={{ height: v.getTotalSize() + rowPx, width: h.getTotalSize(), position: 'relative' }} role="presentation">
          <div className="sql-row sql-header" role="row" aria-rowindex={1}>
            <div role="columnheader" className="sql-gutter" style={{ width: gutter }} aria-label="Row">#</div>
            {columns.map((c) => {
              const col = rows.columns[c.index]!
              return <div key={c.key} role="columnheader" aria-colindex={c.index + 2} title={`${col.name} ${col.type}`} className={col.numeric ? 'r' : ''} style={{ left: c.start, width: c.size }}>{col.name}</div>
            })}
          </div>
          {v.getVirtualItems().map((r) => (
            <div key={r.key} className={`sql-row ${r.index % 2 ? 'odd' : ''}`} role="row" aria-rowindex={r.index + 2} style={{ top: r.start + rowPx }}>
              <div role="rowheader" className="sql-gutter" style={{ width: gutter }}>{r.index + 1}</div>
              {columns.map((c) => {
                const col = rows.columns[c.index]!
                const text = col.text(r.index)
                const here = r.index === cell.row && c.index === cell.col
                return (
                  <div key={c.key} id={`c${r.index}-${c.index}`} role="gridcell" aria-colindex={c.index + 2} aria-selected={here} onMouseDown={() => setCell({ row: r.index, col: c.index })}
                    className={`${col.numeric ? 'r' : ''} ${text === null ? 'null' : ''} ${here ? 'here' : ''}`} style={{ left: c.start, width: c.size }}>{text ?? 'NULL'}</div>
                )
              })}
            </div>
          ))}
        </div>
      </div>
      {rows.count > 0 && chosen !== undefined && (
        <div className="sql-cell" aria-live="polite">
          <span className="dim">{rows.columns[cell.col]?.name} {rows.columns[cell.col]?.type}, row {count(cell.row + 1)}:</span> <span className="mono">{chosen ?? 'NULL'}</span>
          {shown < rows.count && <span className="warn"> The grid shows the first {count(shown)} of {count(rows.count)} rows.</span>}
        </div>
      )}
    </div>
  )
}
