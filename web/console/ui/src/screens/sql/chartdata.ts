// From rows to lines: which columns to draw, and the points in order.
import type { Rows } from './arrow'

export interface Choice {
  /** Positions of columns. */
  x: number | undefined
  y: number | undefined
  by: number | undefined
  kind: string
}

export interface Series {
  at: number[]
  lines: { name: string; values: (number | null)[] }[]
  /** Of the points across, when they are names. */
  labels?: string[]
  time: boolean
  xName: string
  /** What was left out. */
  note?: string
}

const linesMax = 8
const labelsMax = 500

/** A first choice: time across if there is one, the first number up, a text column apart. */
export function guess(rows: Rows): Choice {
  const time = rows.columns.findIndex((c) => c.time)
  const text = rows.columns.findIndex((c) => !c.time && !c.numeric)
  const numbers = rows.columns.map((c, i) => (c.numeric ? i : -1)).filter((i) => i >= 0)
  const x = time >= 0 ? time : text >= 0 ? text : numbers.length > 1 ? numbers[0] : rows.columns.length > 0 ? 0 : undefined
  const y = numbers.find((i) => i !== x)
  const by = time >= 0 && text >= 0 && distinct(rows, text) <= linesMax ? text : undefined
  return { x, y, by, kind: time >= 0 || text < 0 ? 'line' : 'bars' }
}

function distinct(rows: Rows, column: number): number {
  const seen = new Set<string | null>()
  const step = Math.max(1, Math.floor(rows.count / 2000))
  for (let i = 0; i < rows.count && seen.size <= linesMax; i += step) seen.add(rows.columns[column]!.text(i))
  return seen.size
}

/** The points of a choice, across in order, one line per value of by. */
export function series(rows: Rows, choice: Choice): Series {
  const x = rows.columns[choice.x ?? 0]!
  const y = rows.columns[choice.y ?? 0]!
  const by = choice.by === undefined ? undefined : rows.columns[choice.by]
  const named = !x.time && !x.numeric
  const labels: string[] = []
  const places = new Map<string, number>()
  const lines = new Map<string, Map<number, number>>()
  let skippedLines = 0
  let skippedNames = 0
  for (let i = 0; i < rows.count; i++) {
    let at = named ? null : x.number(i)
    if (named) {
      const label = x.text(i) ?? 'NULL'
      at = places.get(label) ?? null
      if (at === null && labels.length < labelsMax) {
        at = labels.push(label) - 1
        places.set(label, at)
      } else if (at === null) skippedNames++
    }
    const v = y.number(i)
    if (at === null || v === null) continue
    const name = by ? by.text(i) ?? 'NULL' : y.name
    let line = lines.get(name)
    if (!line) {
      if (lines.size === linesMax) {
        skippedLines++
        continue
      }
      lines.set(name, line = new Map())
    }
    line.set(at, v)
  }
  const at = [...new Set([...lines.values()].flatMap((l) => [...l.keys()]))].sort((a, b) => a - b)
  const notes = [
    skippedLines > 0 ? `Only the first ${linesMax} values of ${by?.name ?? ''} are drawn.` : '',
    skippedNames > 0 ? `Only the first ${labelsMax} values of ${x.name} are drawn.` : '',
  ].filter(Boolean)
  return {
    at, time: x.time, xName: x.name, labels: named ? labels : undefined, note: notes.join(' ') || undefined,
    lines: [...lines].map(([name, points]) => ({ name, values: at.map((a) => points.get(a) ?? null) })),
  }
}
