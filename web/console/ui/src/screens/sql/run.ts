// Running one statement.
import { request, type Schemas } from '../../api/client'
import { Problem } from '../../api/problem'
import { readRows, type Rows } from './arrow'

export interface Cut {
  level: string
  epoch?: number
  age_ms: number
  held_by?: string
  snapshots: Record<string, number>
}

export type Outcome =
  | { kind: 'rows'; rows: Rows }
  | { kind: 'message'; message: string; job?: string }
  | { kind: 'changes'; lines: readonly Change[]; total: number }

/** A line of a query that never ends. */
export interface Change {
  epoch: number
  kind: string
  row: Record<string, unknown>
}

export interface Run {
  outcome: Outcome
  ms: number
  bytes: number
  queryId: string
  cut?: Cut
  /** Who answered: duckdb or weir. */
  engine: string
}

export interface Ask {
  sql: string
  session: string
  params?: Schemas['QueryRequest']['params']
  signal: AbortSignal
  /** Told while the answer arrives. */
  onProgress: (bytes: number) => void
  /** Told while a query that never ends sends changes. */
  onChanges: (run: Run) => void
}

/** What one answer may have: the browser holds all of it. */
export const bytesMax = 512 * 2 ** 20
const changesKept = 1000 // of a query that never ends, the newest

const arrow = 'application/vnd.apache.arrow.stream'
const ndjson = 'application/x-ndjson'

export async function run(ask: Ask): Promise<Run> {
  const begin = performance.now()
  const r = await request('/v1/query', {
    method: 'POST', signal: ask.signal,
    headers: { 'Content-Type': 'application/json', Accept: `${arrow}, ${ndjson}` },
    body: JSON.stringify({ sql: ask.sql, session: ask.session, params: ask.params }),
  })
  const about = (bytes: number) => ({ ms: performance.now() - begin, bytes, queryId: r.headers.get('Weir-Query-Id') ?? '', cut: cutOf(r), engine: r.headers.get('Weir-Engine') ?? '' })
  const type = (r.headers.get('Content-Type') ?? '').split(';')[0]
  if (type === ndjson) return changes(r, ask, about)
  const data = await collect(r, ask.onProgress)
  if (type === arrow) return { outcome: { kind: 'rows', rows: readRows(data) }, ...about(data.length) }
  const done = JSON.parse(new TextDecoder().decode(data)) as { message: string; job?: string }
  return { outcome: { kind: 'message', message: done.message, job: done.job }, ...about(data.length) }
}

function cutOf(r: Response): Cut | undefined {
  const text = r.headers.get('Weir-Cut')
  return text ? JSON.parse(text) as Cut : undefined
}

async function collect(r: Response, onProgress: (bytes: number) => void): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of r.body ?? []) {
    parts.push(part)
    length += part.length
    if (length > bytesMax) {
      throw new Problem(413, { kind: 'exhausted', detail: `The answer has more than ${bytesMax / 2 ** 20} MiB, which is too much for a browser. Add a LIMIT, or ask for it with weir sql or curl.` })
    }
    onProgress(length)
  }
  const out = new Uint8Array(length)
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** Follows a query that never ends until it is cancelled. */
async function changes(r: Response, ask: Ask, about: (bytes: number) => Omit<Run, 'outcome'>): Promise<Run> {
  const decoder = new TextDecoder()
  let held = ''
  let bytes = 0
  let total = 0
  let kept: Change[] = []
  const state = (): Run => ({ outcome: { kind: 'changes', lines: kept, total }, ...about(bytes) })
  ask.onChanges(state())
  for await (const part of r.body ?? []) {
    bytes += part.length
    const lines = (held + decoder.decode(part, { stream: true })).split('\n')
    held = lines.pop() ?? ''
    const fresh = lines.filter(Boolean).map((line) => {
      const { _epoch, _kind, error, ...row } = JSON.parse(line) as Record<string, unknown> & { _epoch: number; _kind: string }
      if (_kind === undefined && error) throw new Problem(500, error)
      return { epoch: _epoch, kind: _kind, row }
    })
    total += fresh.length
    kept = [...kept, ...fresh].slice(-changesKept)
    ask.onChanges(state())
  }
  return state()
}
