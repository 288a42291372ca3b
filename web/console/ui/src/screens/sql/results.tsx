import { Button, Menu, Popover } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { request, type Schemas } from '../../api/client'
import { bytes, count, duration } from '../../lib/format'
import { TableLink, useAddress } from '../../ui/parts'
import { Empty, ErrorBox, Loading } from '../../ui/states'
import { Grid } from './grid'
import { History } from './history'
import type { Change, Cut, Run } from './run'
import type { Work } from './store'

const Chart = lazy(() => import('./chart'))
const Plan = lazy(() => import('./plan'))

const views = [['rows', 'Rows'], ['chart', 'Chart'], ['plan', 'Plan'], ['history', 'History']] as const

/** What the last statement answered. */
export function Results({ work, explained, onOpen, params }: {
  work: Work | undefined
  /** The statement whose plan is shown, if one was asked for; else the one that ran. */
  explained: string
  onOpen: (sql: string) => void
  params: Schemas['QueryRequest']['params']
}) {
  const [address, change] = useAddress()
  const view = address.view ?? 'rows'
  return (
    <section className="sql-results" aria-label="Results">
      <div className="sql-meta">
        {views.map(([key, label]) => (
          <Button key={key} size="compact-xs" variant={key === view ? 'light' : 'subtle'} color={key === view ? undefined : 'gray'} aria-pressed={key === view} onClick={() => change({ view: key === 'rows' ? undefined : key })}>{label}</Button>
        ))}
        {work?.result && <Meta run={work.result} />}
        <div className="right">{work?.result?.outcome.kind === 'rows' && work.statement && <Download run={work.result} sql={work.statement.text} params={params} />}</div>
      </div>
      <div className="sql-body">
        {view === 'history' ? <History onOpen={onOpen} /> : view === 'plan' ? <PlanOf sql={explained || work?.statement?.text} params={params} /> : <Answer work={work} chart={view === 'chart'} />}
      </div>
    </section>
  )
}

function Answer({ work, chart }: { work: Work | undefined; chart: boolean }) {
  if (work?.error) return <ErrorBox error={work.error} what={work.steps > 1 ? `Statement ${work.step} of ${work.steps} failed` : 'The statement failed'} />
  const outcome = work?.result?.outcome
  if (!outcome) {
    if (work?.running) return <Loading what={work.bytes > 0 ? `rows, ${bytes(work.bytes)} so far` : 'rows'} />
    if (work?.cancelled) return <Empty title="Cancelled">The statement was cancelled before it answered.</Empty>
    return <Empty title="Nothing ran yet"><kbd>Ctrl</kbd> <kbd>Enter</kbd> runs the statement at the cursor, or what is selected.</Empty>
  }
  switch (outcome.kind) {
    case 'message':
      return <Empty title={outcome.message || 'Done'}>{outcome.job && <>Job: <Link to="/jobs/$id" params={{ id: outcome.job }}>{outcome.job}</Link></>}</Empty>
    case 'changes':
      return <Changes lines={outcome.lines} total={outcome.total} running={work.running} />
    case 'rows':
      if (/^(explain|show create)/i.test(work.statement?.text ?? '') && outcome.rows.columns.length === 1) {
        return <pre className="code" tabIndex={0}>{Array.from({ length: outcome.rows.count }, (_, i) => outcome.rows.columns[0]?.text(i)).join('\n')}</pre>
      }
      return chart
        ? <Suspense fallback={<Loading what="the chart" />}><Chart rows={outcome.rows} /></Suspense>
        : <Grid rows={outcome.rows} />
  }
}

function PlanOf({ sql, params }: { sql: string | undefined; params: Schemas['QueryRequest']['params'] }) {
  if (!sql) return <Empty title="No plan yet">Explain shows what the statement at the cursor does, and what it costs as a stream.</Empty>
  return <Suspense fallback={<Loading what="the plan" />}><Plan sql={sql} params={params} /></Suspense>
}

function Changes({ lines, total, running }: { lines: readonly Change[]; total: number; running: boolean }) {
  return (
    <div className="sql-changes" role="log" aria-label="Changes" tabIndex={0}>
      <div className="dim">{count(total)} changes so far, the newest first{running ? '; it goes on until cancelled' : '; cancelled'}.</div>
      {[...lines].reverse().map((l, i) => (
        <div key={total - i}><span className={l.kind.startsWith('+') ? 'good' : 'bad'}>{l.kind}</span> <span className="dim">{l.epoch}</span> {JSON.stringify(l.row)}</div>
      ))}
    </div>
  )
}

/** Rows, time, and which versions answered. */
function Meta({ run }: { run: Run }) {
  return (
    <>
      {run.outcome.kind === 'rows' && <span data-testid="row-count">{count(run.outcome.rows.count)} rows</span>}
      <span title="From asking to the last byte">{duration(run.ms)}</span>
      <span className="dim">{bytes(run.bytes)}</span>
      {run.engine && <span className="dim" title="Who answered">{run.engine}</span>}
      {run.cut && <CutInfo cut={run.cut} />}
      {run.queryId && <Link to="/queries" search={{ id: run.queryId }} className="dim">details</Link>}
    </>
  )
}

function CutInfo({ cut }: { cut: Cut }) {
  const names = Object.entries(cut.snapshots ?? {})
  return (
    <Popover width={320} position="bottom-start">
      <Popover.Target>
        <Button size="compact-xs" variant="subtle">{cut.level === 'cut' && cut.epoch ? `epoch ${count(cut.epoch)}` : cut.level}, {duration(cut.age_ms)} old</Button>
      </Popover.Target>
      <Popover.Dropdown>
        <p style={{ marginTop: 0 }}>{cut.level === 'cut' ? 'All tables at one epoch.' : cut.level === 'latest' ? 'Each table at its newest version.' : 'The versions that the statement named.'}{cut.held_by && <> The cut is held back by job <Link to="/jobs/$id" params={{ id: cut.held_by }}>{cut.held_by}</Link>.</>}</p>
        <dl className="facts">{names.map(([t, id]) => [<dt key={t}><TableLink name={t} /></dt>, <dd key={`${t}-`}>snapshot {id}</dd>])}</dl>
      </Popover.Dropdown>
    </Popover>
  )
}

const formats = [['csv', 'CSV'], ['json', 'JSON'], ['ndjson', 'NDJSON'], ['parquet', 'Parquet'], ['arrow', 'Arrow']] as const

/** Saves the rows. The service writes all formats but Arrow, which is what is shown. */
function Download({ run, sql, params }: { run: Run; sql: string; params: Schemas['QueryRequest']['params'] }) {
  const [state, setState] = useState<{ busy?: boolean; error?: unknown }>({})
  const save = async (format: string) => {
    setState({ busy: true })
    try {
      const data = format === 'arrow' && run.outcome.kind === 'rows'
        ? new Blob([run.outcome.rows.bytes as BlobPart])
        : await (await request('/v1/query', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ sql, format, params }) })).blob()
      saveAs(data, `weir-result.${format}`)
      setState({})
    } catch (error) {
      setState({ error })
    }
  }
  return (
    <>
      {state.error ? <span className="bad" role="alert">{state.error instanceof Error ? state.error.message : 'failed'}</span> : null}
      <Menu position="bottom-end">
        <Menu.Target><Button size="compact-xs" loading={state.busy}>Download</Button></Menu.Target>
        <Menu.Dropdown>
          {formats.map(([f, label]) => <Menu.Item key={f} onClick={() => void save(f)}>{label}</Menu.Item>)}
          <Menu.Label>All but Arrow run the statement again.</Menu.Label>
        </Menu.Dropdown>
      </Menu>
    </>
  )
}

function saveAs(data: Blob, name: string) {
  const a = document.createElement('a')
  a.href = URL.createObjectURL(data)
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000)
}
