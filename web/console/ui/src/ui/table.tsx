// A table of things: sorted by a click on a column's title, filtered by what the screen asks for.
import { Button } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useAddress } from './parts'
import { Empty } from './states'

export interface Column<T> {
  /** Of the address (?sort=key, ?sort=-key). */
  key: string
  title: string
  cell: (row: T) => ReactNode
  /** What the column is sorted by; without it, it is not. */
  by?: (row: T) => number | string | undefined | null
  num?: boolean
  wide?: boolean
}

interface Props<T> {
  label: string
  rows: readonly T[]
  columns: readonly Column<T>[]
  id: (row: T) => string | number
  /** Shown instead of a table without rows. */
  empty?: ReactNode
  /** Name of the address's part that holds the order; two tables of one screen need two. */
  sortAs?: string
  /** The order without one in the address. */
  sort?: string
}

const shownFirst = 200 // rows; the rest comes when asked for, so that long lists open at once

export function DataTable<T>({ label, rows, columns, id, empty, sortAs = 'sort', sort = '' }: Props<T>) {
  const [address, change] = useAddress()
  const [all, setAll] = useState(false)
  const order = address[sortAs] ?? sort
  const down = order.startsWith('-')
  const key = down ? order.slice(1) : order
  const by = columns.find((c) => c.key === key)?.by
  const sorted = by ? [...rows].sort((a, b) => compare(by(a), by(b)) * (down ? -1 : 1)) : rows
  if (rows.length === 0) return <>{empty ?? <Empty title="Nothing here yet" />}</>
  const shown = all ? sorted : sorted.slice(0, shownFirst)
  return (
    <>
      <div className="scroll" tabIndex={0} role="region" aria-label={label}>
        <table className="data" aria-label={label}>
          <thead>
            <tr>
              {columns.map((c) => (
                <th key={c.key} scope="col" className={c.num ? 'num' : ''} aria-sort={c.key !== key || !c.by ? undefined : down ? 'descending' : 'ascending'}>
                  {c.by
                    ? <button type="button" onClick={() => change({ [sortAs]: c.key === key && !down ? `-${c.key}` : c.key })}>{c.title}{c.key === key ? (down ? ' ↓' : ' ↑') : ''}</button>
                    : c.title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((r) => (
              <tr key={id(r)}>{columns.map((c) => <td key={c.key} className={`${c.num ? 'num' : ''} ${c.wide ? 'wide' : ''}`}>{c.cell(r)}</td>)}</tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < rows.length && (
        <div className="empty"><Button onClick={() => setAll(true)}>Show all {rows.length}</Button></div>
      )}
    </>
  )
}

/** Numbers by size, text by the alphabet; what is missing comes last. */
export function compare(a: number | string | undefined | null, b: number | string | undefined | null): number {
  if (a === b) return 0
  if (a === undefined || a === null) return 1
  if (b === undefined || b === null) return -1
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
}
