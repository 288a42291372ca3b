import { NativeSelect, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useLiveJobs } from '../../api/events'
import { jobsQuery } from '../../api/queries'
import { bytes, count, duration, many, rate } from '../../lib/format'
import { Ago, Head, Panel, Spark, State, TableLink, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** All jobs, with counters that move once a second. */
export function Jobs() {
  const jobs = useQuery(jobsQuery)
  const live = useLiveJobs()
  const now = useNow()
  const [address, change] = useAddress()
  const wanted = (address.find ?? '').toLowerCase()
  const all = jobs.data ?? []
  const rows = all.map((j) => ({ ...j, ...live.jobs.get(j.id), inputs: j.inputs }))
    .filter((j) => `${j.name} ${j.sink}`.toLowerCase().includes(wanted) && (!address.state || j.state === address.state))
  const states = [...new Set(all.map((j) => j.state))].sort()
  return (
    <div className="screen">
      <Head title="Jobs" />
      <div className="filters">
        <TextInput data-filter aria-label="Find a job" placeholder="Find a job or table" value={address.find ?? ''} onChange={(e) => change({ find: e.currentTarget.value || undefined })} />
        <NativeSelect aria-label="State" data={[{ value: '', label: 'every state' }, ...states]} value={address.state ?? ''} onChange={(e) => change({ state: e.currentTarget.value || undefined })} />
        <span className="dim">{count(rows.length)} of {count(all.length)}</span>
      </div>
      <Await of={jobs} what="jobs">{(list) => (
        <Panel flush>
          <DataTable label="Jobs" rows={rows} id={(j) => j.id} sort="name"
            empty={list.length === 0
              ? <Empty title="No jobs yet">A job starts with <code>INSERT INTO .. SELECT</code> from a stream or <code>CREATE MATERIALIZED TABLE</code> in the <Link to="/sql">SQL workbench</Link>.</Empty>
              : <Empty title="No job fits the filter" />}
            columns={[
              { key: 'name', title: 'Job', cell: (j) => <Link to="/jobs/$id" params={{ id: j.id }}>{j.name}</Link>, by: (j) => j.name },
              { key: 'state', title: 'State', cell: (j) => <><State of={j.state} />{j.error && j.state !== 'running' && <div className="bad">{j.error}</div>}</>, by: (j) => j.state },
              { key: 'sink', title: 'Writes', cell: (j) => <TableLink name={j.sink} />, by: (j) => j.sink },
              { key: 'rate', title: 'Rows a second', cell: (j) => <span className="rate"><Spark values={live.rates.get(j.id) ?? [0]} label="Rows a second of the last two minutes" /><span data-testid={`rate-${j.name}`}>{rate(j.rows_per_second)}</span></span>, by: (j) => j.rows_per_second },
              { key: 'in', title: 'Rows in', num: true, cell: (j) => <span data-testid={`in-${j.name}`}>{count(j.rows_in)}</span>, by: (j) => j.rows_in },
              { key: 'out', title: 'Rows out', num: true, cell: (j) => count(j.rows_out), by: (j) => j.rows_out },
              { key: 'lag', title: 'Behind', num: true, cell: (j) => <>{duration(j.lag_ms)}{j.pending > 0 && <div className="dim">{many(j.pending, 'epoch')}</div>}</>, by: (j) => j.lag_ms },
              { key: 'epoch', title: 'Epoch', num: true, cell: (j) => count(j.epoch), by: (j) => j.epoch },
              { key: 'commit', title: 'Last commit', cell: (j) => <Ago at={j.last_commit} now={now} />, by: (j) => j.last_commit },
              { key: 'bytes', title: 'State', num: true, cell: (j) => bytes(j.state_bytes), by: (j) => j.state_bytes },
              { key: 'dead', title: 'Dead letters', num: true, cell: (j) => <span className={j.dead_letters > 0 ? 'warn' : ''}>{count(j.dead_letters)}</span>, by: (j) => j.dead_letters },
              { key: 'late', title: 'Late', num: true, cell: (j) => count(j.late_rows), by: (j) => j.late_rows },
            ]} />
        </Panel>
      )}</Await>
    </div>
  )
}
