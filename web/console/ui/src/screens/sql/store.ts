// The workbench's tabs. They outlive the screen: a query goes on while another screen is looked at. Texts are kept in the
// browser, results are not.
import { useSyncExternalStore } from 'react'
import type { Schemas } from '../../api/client'
import { onSession } from '../../api/session'
import { run, type Run } from './run'
import type { Statement } from './split'

export interface ParamValue {
  /** Empty: as the text looks (number, true, false, null, else a string). */
  type: string
  text: string
}

export interface Tab {
  id: string
  title: string
  text: string
  params: Record<string, ParamValue>
}

export interface Work {
  running: boolean
  /** What runs or ran last. */
  statement?: Statement
  begun: number
  bytes: number
  result?: Run
  error?: unknown
  cancelled?: boolean
  /** Which of several, from 1. */
  step: number
  steps: number
}

interface State {
  tabs: readonly Tab[]
  work: Readonly<Record<string, Work>>
}

const key = 'weir.sql.tabs'
const tabsMax = 30
const first = 'SHOW TABLES;\n'

let state: State = { tabs: load(), work: {} }
const listeners = new Set<() => void>()
const aborts = new Map<string, AbortController>()
// SET, USE and temporary tables are kept by the service for as long as the browser's tab lives.
const sessionPrefix = crypto.randomUUID().slice(0, 18)

// Results are those of who asked: they go with the session.
onSession(() => {
  for (const a of aborts.values()) a.abort()
  set({ work: {} })
})

function load(): Tab[] {
  try {
    const saved = JSON.parse(localStorage.getItem(key) ?? '[]') as Tab[]
    if (Array.isArray(saved) && saved.length > 0 && saved.every((t) => typeof t.id === 'string' && typeof t.text === 'string')) {
      return saved.map((t) => ({ ...t, params: t.params ?? {} }))
    }
  } catch {
    // texts of another version of the console
  }
  return [{ id: newId(), title: 'Query 1', text: first, params: {} }]
}

function newId(): string {
  return Math.random().toString(36).slice(2, 10)
}

function set(next: Partial<State>) {
  state = { ...state, ...next }
  if (next.tabs) localStorage.setItem(key, JSON.stringify(next.tabs))
  for (const f of listeners) f()
}

export function useWorkbench(): State {
  return useSyncExternalStore((f) => {
    listeners.add(f)
    return () => listeners.delete(f)
  }, () => state)
}

/** Opens a tab and gives its id; the oldest idle one goes when there are too many. */
export function openTab(text = '', title = ''): string {
  const used = new Set(state.tabs.map((t) => t.title))
  let n = 1
  while (used.has(`Query ${n}`)) n++
  const tab = { id: newId(), title: title || `Query ${n}`, text, params: {} }
  set({ tabs: [...state.tabs, tab].slice(-tabsMax) })
  return tab.id
}

export function closeTab(id: string): void {
  cancel(id)
  const rest = state.tabs.filter((t) => t.id !== id)
  const { [id]: _, ...work } = state.work
  set({ tabs: rest.length > 0 ? rest : [{ id: newId(), title: 'Query 1', text: '', params: {} }], work })
}

export function changeTab(id: string, change: Partial<Tab>): void {
  set({ tabs: state.tabs.map((t) => (t.id === id ? { ...t, ...change } : t)) })
}

function setWork(id: string, change: Partial<Work>) {
  const old = state.work[id] ?? { running: false, begun: 0, bytes: 0, step: 1, steps: 1 }
  set({ work: { ...state.work, [id]: { ...old, ...change } } })
}

export function cancel(id: string): void {
  aborts.get(id)?.abort()
}

/** Runs statements one after the other; the first error ends it. */
export async function execute(id: string, list: readonly Statement[], params?: Schemas['QueryRequest']['params']): Promise<void> {
  if (state.work[id]?.running || list.length === 0) return
  const abort = new AbortController()
  aborts.set(id, abort)
  try {
    for (const [i, statement] of list.entries()) {
      setWork(id, { running: true, statement, begun: Date.now(), bytes: 0, result: undefined, error: undefined, cancelled: false, step: i + 1, steps: list.length })
      const result = await run({
        sql: statement.text, session: `${sessionPrefix}-${id}`, params, signal: abort.signal,
        onProgress: (bytes) => setWork(id, { bytes }),
        onChanges: (r) => setWork(id, { result: r, bytes: r.bytes }),
      })
      setWork(id, { result })
    }
    setWork(id, { running: false })
  } catch (error) {
    if (state.work[id]) setWork(id, abort.signal.aborted ? { running: false, cancelled: true } : { running: false, error })
  } finally {
    aborts.delete(id)
  }
}


/** The values of the parameters as the service takes them, undefined when there are none. */
export function paramsOf(names: { positional: number; named: string[] }, values: Record<string, ParamValue>): Schemas['QueryRequest']['params'] {
  if (names.positional > 0) return Array.from({ length: names.positional }, (_, i) => valueOf(values[String(i + 1)])) as never
  if (names.named.length > 0) return Object.fromEntries(names.named.map((n) => [n, valueOf(values[n])])) as never
  return undefined
}

export function valueOf(v: ParamValue | undefined): unknown {
  if (!v) return null
  if (v.type) return { type: v.type, value: v.text }
  if (v.text === '' || v.text === 'null') return v.text === '' ? '' : null
  if (v.text === 'true' || v.text === 'false') return v.text === 'true'
  return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(v.text) && v.text.length < 16 ? Number(v.text) : v.text
}
