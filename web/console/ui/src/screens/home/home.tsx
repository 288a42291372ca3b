import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useLiveJobs } from '../../api/events'
import { summaryQuery, tablesQuery } from '../../api/queries'
import { bytes, count, duration, rate } from '../../lib/format'
import { Ago, Head, JobLink, Panel, Spark, Stat, State, Stats, TableLink, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** What runs, how fresh each table is, and what needs somebody. */
export function Home() {
  const summary = useQuery(summaryQuery)
  const tables = useQuery(tablesQuery)
  const live = useLiveJobs()
  const now = useNow()
  const perSecond = [...live.jobs.values()].reduce((sum, j) => sum + j.rows_per_second, 0)
  const about = new Map((tables.data ?? []).map((t) => [`${t.database}.${t.name}`, t]))
  const stored = (tables.data ?? []).filter((t) => t.kind === 'table' || t.kind === 'materialized')
  return (
    <div className="screen">
      <Head title="Home" />
      <Await of={summary} what="the state of the service">{(s) => (
        <>
          <Stats>
            {Object.entries(s.jobs).map(([state, n]) => <Stat key={state} label="Jobs" sub={<State of={state} />}>{count(n)}</Stat>)}
            {Object.keys(s.jobs).length === 0 && <Stat label="Jobs" sub={<Link to="/sql">start one with SQL</Link>}>0</Stat>}
            <Stat label="Rows through all jobs" sub="counted at each job">{rate(perSecond)}</Stat>
            <Stat label="Tables" sub={`${count(stored.filter((t) => t.kind === 'materialized').length)} kept by queries`}>{count(stored.length)}</Stat>
            <Stat label="Stored" sub="live files of all tables">{bytes(stored.reduce((sum, t) => sum + (t.bytes ?? 0), 0))}</Stat>
            <Stat label="Queries" sub={`${count(s.queries.waiting)} wait`}>{count(s.queries.running)} run</Stat>
            <Stat label="Up" sub={`version ${s.version}`}>{duration(s.uptime_ms)}</Stat>
          </Stats>
          <Panel title="Needs attention">
            {s.problems.length === 0
              ? <span className="state good">Nothing: every job does what it should.</span>
              : (
                <dl className="facts">
                  {s.problems.map((p, i) => [
                    <dt key={i}><span className="state bad">{p.kind}</span> {p.kind === 'job' && p.id
                      ? <Link to="/jobs/$id" params={{ id: p.id }}>{p.name}</Link>
                      : p.kind === 'table' ? <TableLink name={p.name} /> : p.name}</dt>,
                    <dd key={`${i}-`}>{p.cause}</dd>,
                  ])}
                </dl>
              )}
          </Panel>
          <Panel title="Freshness of tables" flush>
            <DataTable label="Freshness of tables" rows={s.tables} id={(t) => t.table}
              empty={<Empty title="No table is kept up to date yet">Make one with <code>CREATE MATERIALIZED TABLE</code> in the <Link to="/sql">SQL workbench</Link>.</Empty>}
              columns={[
                { key: 'table', title: 'Table', cell: (t) => <TableLink name={t.table} />, by: (t) => t.table },
                { key: 'fresh', title: 'Behind its inputs', num: true, cell: (t) => <span className={t.freshness_ms && t.freshness_ms > 10_000 ? 'warn' : ''}>{duration(t.freshness_ms)}</span>, by: (t) => t.freshness_ms },
                { key: 'commit', title: 'Newest commit', cell: (t) => <Ago at={about.get(t.table)?.committed_ms} now={now} />, by: (t) => about.get(t.table)?.committed_ms },
                { key: 'rows', title: 'Rows', num: true, cell: (t) => count(about.get(t.table)?.rows), by: (t) => about.get(t.table)?.rows },
                { key: 'job', title: 'Written by', cell: (t) => t.job ? <span className="nowrap"><JobLink {...t.job} /> <State of={live.jobs.get(t.job.id)?.state ?? t.job.state} /></span> : <span className="dim">no job</span> },
                {
                  key: 'rate', title: 'Rows a second', cell: (t) => {
                    const values = live.rates.get(t.job?.id ?? '')
                    return values && <span className="rate"><Spark values={values} label="Rows a second of the last two minutes" />{rate(values.at(-1))}</span>
                  },
                },
                { key: 'mark', title: 'Event time', cell: (t) => <span className="nowrap">{t.watermark?.replace('T', ' ').replace('Z', '') ?? '–'}</span>, by: (t) => t.watermark },
                { key: 'held', title: 'Held back by', cell: (t) => t.held_by ?? '' },
              ]} />
          </Panel>
        </>
      )}</Await>
    </div>
  )
}
