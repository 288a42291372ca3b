import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useLiveJobs } from '../../api/events'
import { jobsQuery, tablesQuery } from '../../api/queries'
import { count, duration, rate } from '../../lib/format'
import { Ago, Head, Panel, Spark, Stat, State, Stats, TableLink, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** What runs, how fresh each table is, and what needs somebody. */
export function Home() {
  const jobs = useQuery(jobsQuery)
  const tables = useQuery(tablesQuery)
  const live = useLiveJobs()
  const now = useNow()
  const byState = new Map<string, number>()
  for (const j of jobs.data ?? []) byState.set(j.state, (byState.get(j.state) ?? 0) + 1)
  const perSecond = [...live.jobs.values()].reduce((sum, j) => sum + j.rows_per_second, 0)
  const writers = new Map((jobs.data ?? []).map((j) => [j.sink, j]))
  return (
    <div className="screen">
      <Head title="Home" />
      <Stats>
        {[...byState].map(([state, n]) => <Stat key={state} label="Jobs" sub={<State of={state} />}>{count(n)}</Stat>)}
        <Stat label="Rows through all jobs" sub="counted at each job">{rate(perSecond)}</Stat>
        <Stat label="Tables" sub={`${count(tables.data?.filter((t) => t.kind === 'materialized').length)} kept by queries`}>{count(tables.data?.length)}</Stat>
      </Stats>
      <Panel title="Needs somebody">
        <Await of={jobs} what="jobs">{(list) => {
          const sick = list.filter((j) => j.state === 'failed' || j.state === 'failing' || (j.error && j.state !== 'stopped'))
          if (sick.length === 0) return <span className="state good">Nothing. All jobs do what they should.</span>
          return (
            <dl className="facts">
              {sick.map((j) => [
                <dt key={j.id}><Link to="/jobs/$id" params={{ id: j.id }}>{j.name}</Link> <State of={j.state} /></dt>,
                <dd key={`${j.id}-`}>{j.error}</dd>,
              ])}
            </dl>
          )
        }}</Await>
      </Panel>
      <Panel title="Freshness of tables" flush>
        <Await of={tables} what="tables">{(list) => (
          <DataTable label="Freshness of tables" rows={list.filter((t) => t.kind !== 'connector')} id={(t) => `${t.database}.${t.name}`} sort="age"
            empty={<Empty title="No tables yet">Make one in the <Link to="/sql">SQL workbench</Link>.</Empty>}
            columns={[
              { key: 'table', title: 'Table', cell: (t) => <TableLink name={`${t.database}.${t.name}`} />, by: (t) => t.name },
              { key: 'age', title: 'Newest commit', cell: (t) => <Ago at={t.committed_ms} now={now} />, by: (t) => t.age_ms },
              { key: 'rows', title: 'Rows', num: true, cell: (t) => count(t.rows), by: (t) => t.rows },
              {
                key: 'job', title: 'Written by', cell: (t) => {
                  const j = writers.get(`${t.database}.${t.name}`)
                  return j ? <><Link to="/jobs/$id" params={{ id: j.id }}>{j.name}</Link> <State of={live.jobs.get(j.id)?.state ?? j.state} /></> : <span className="dim">no job</span>
                },
              },
              {
                key: 'rate', title: 'Rows a second', cell: (t) => {
                  const id = writers.get(`${t.database}.${t.name}`)?.id ?? ''
                  const values = live.rates.get(id)
                  return values ? <span style={{ display: 'flex', gap: 8, alignItems: 'center' }}><Spark values={values} label="Rows a second of the last two minutes" /><span className="num">{rate(values.at(-1))}</span></span> : null
                },
              },
              {
                key: 'lag', title: 'Behind', num: true, cell: (t) => {
                  const j = live.jobs.get(writers.get(`${t.database}.${t.name}`)?.id ?? '')
                  return j ? (j.pending === 0 ? '0 epochs' : `${count(j.pending)} epochs`) : ''
                },
              },
            ]} />
        )}</Await>
      </Panel>
      <p className="dim">Times are those of this browser&apos;s clock; the service&apos;s newest commit was {duration(Math.max(0, Math.min(...(tables.data ?? []).map((t) => t.age_ms ?? Infinity))))} old when last asked.</p>
    </div>
  )
}
