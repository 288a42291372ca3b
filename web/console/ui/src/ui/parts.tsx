// The small parts that all screens are made of.
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState, type ReactNode } from 'react'
import type { Search } from '../app/router'
import { ago, count, utc } from '../lib/format'

/** The title line of a screen, and the title of the browser's tab. */
export function Head({ title, crumb, children }: { title: string; crumb?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · weir`
  }, [title])
  return (
    <div className="head">
      <h1>{crumb && <span className="crumb">{crumb} / </span>}{title}</h1>
      {children && <div className="right">{children}</div>}
    </div>
  )
}

export function Panel({ title, right, children, flush }: { title?: ReactNode; right?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className="panel">
      {title && <header><h2>{title}</h2>{right && <div className="right">{right}</div>}</header>}
      {flush ? children : <div className="body">{children}</div>}
    </section>
  )
}

/** Figures in a row. */
export function Stats({ children }: { children: ReactNode }) {
  return <div className="stats">{children}</div>
}

export function Stat({ label, children, sub, tone }: { label: string; children: ReactNode; sub?: ReactNode; tone?: Tone }) {
  return (
    <div className="stat">
      <div className="label">{label}</div>
      <div className={`value ${tone ?? ''}`}>{children}</div>
      {sub !== undefined && <div className="sub">{sub}</div>}
    </div>
  )
}

export type Tone = 'good' | 'warn' | 'bad' | 'dim'

const tones: Record<string, Tone> = {
  running: 'good', done: 'good', finished: 'good', published: 'good', succeeded: 'good', equal: 'good', active: 'good', ok: 'good', committed: 'good',
  starting: 'warn', restoring: 'warn', queued: 'warn', failing: 'warn', paused: 'warn', planned: 'warn', waiting: 'warn', decided: 'warn', stopping: 'warn',
  failed: 'bad', denied: 'bad', error: 'bad', differs: 'bad', refused: 'bad',
}

const busy = new Set(['starting', 'restoring', 'queued', 'waiting', 'planned', 'decided', 'stopping'])

/** A state as a word with a mark. */
export function State({ of }: { of: string }) {
  return <span className={`state ${tones[of] ?? 'dim'} ${busy.has(of) ? 'busy' : ''}`}>{of}</span>
}

export function Tag({ children }: { children: ReactNode }) {
  return <span className="tag">{children}</span>
}

const tickMs = 1000

/** The present, once a second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const t = setInterval(() => setNow(Date.now()), tickMs)
    return () => clearInterval(t)
  }, [])
  return now
}

/** A moment as how long ago, the exact one as its title. */
export function Ago({ at, now }: { at: number | string | undefined | null; now: number }) {
  if (!at) return <span className="dim">–</span>
  return <time dateTime={new Date(at).toISOString()} title={`${utc(at)} UTC`} className="nowrap">{ago(at, now)}</time>
}

export function Bar({ share, label }: { share: number; label: string }) {
  const p = Math.max(0, Math.min(1, share || 0))
  return <div className="bar" role="img" aria-label={label} title={label}><i style={{ width: `${p * 100}%` }} /></div>
}

/** The last figures as a line. */
export function Spark({ values, width = 96, height = 20, label }: { values: readonly number[]; width?: number; height?: number; label: string }) {
  const top = Math.max(1e-9, ...values)
  const step = width / Math.max(1, values.length - 1)
  const d = values.map((v, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(height - 2 - (v / top) * (height - 4)).toFixed(1)}`).join('')
  return <svg className="spark" width={width} height={height} role="img" aria-label={label}><path d={d} /></svg>
}

/** A part of the view's address, and how to change it. */
export function useAddress(): [Search, (change: Search) => void] {
  const search = useSearch({ strict: false }) as Search
  const navigate = useNavigate()
  return [search, (change) => void navigate({ to: '.', search: ((old: Search) => ({ ...old, ...change })) as never, replace: true })]
}

/** Views of one thing, each with an address of its own (?tab=). */
export function Tabs({ tabs, active }: { tabs: readonly (readonly [string, string, number?])[]; active: string }) {
  return (
    <nav className="tabs" aria-label="Views">
      {tabs.map(([key, label, n], i) => (
        <Link key={key} to="." search={(i === 0 ? {} : { tab: key }) as never} className={key === active ? 'active' : ''} aria-current={key === active ? 'page' : undefined} activeProps={{}}>
          {label}{n === undefined ? '' : ` ${count(n)}`}
        </Link>
      ))}
    </nav>
  )
}

/** A job as a link to it; jobs of materialized tables are named after them. */
export function JobLink({ id, name }: { id: string; name: string }) {
  return <Link to="/jobs/$id" params={{ id }}>{name.replace(/^default\./, '')}</Link>
}

/** A table's name as a link to it: "db.table", without the default database. Snapshots call it by its folder, "db.db/table". */
export function TableLink({ name: given }: { name: string }) {
  const name = given.replace(/\.db\//, '.')
  const dot = name.indexOf('.')
  const db = dot < 0 ? 'default' : name.slice(0, dot)
  const table = dot < 0 ? name : name.slice(dot + 1)
  return <Link to="/tables/$db/$table" params={{ db, table }}>{db === 'default' ? table : name}</Link>
}
