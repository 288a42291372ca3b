import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { client, unwrap, type Schemas } from '../../api/client'
import { useLiveJobs } from '../../api/events'
import { jobQuery } from '../../api/queries'
import { bytes, count, duration, many, rate } from '../../lib/format'
import { Action } from '../../ui/action'
import { Ago, Head, Panel, Spark, Stat, State, Stats, TableLink, Tabs, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { Letters } from '../letters/letters'
import { Logs } from './logs'
import { Operators } from './operators'

type Job = Schemas['JobDetail']

/** One job: how it is, its operators, commits, failures and log. */
export function JobDetail() {
  const { id } = useParams({ from: '/jobs/$id' })
  const job = useQuery(jobQuery(id))
  const [address] = useAddress()
  const tab = address.tab ?? 'graph'
  return (
    <div className="screen">
      {!job.data && <Head title={id} crumb="Jobs" />}
      <Await of={job} what={`job ${id}`}>{(j) => (
        <>
          <Head title={j.name} crumb="Jobs"><State of={j.state} /><Actions job={j} /></Head>
          <div className={`diagnosis ${j.healthy ? '' : 'sick'}`} role="status">{j.diagnosis}</div>
          <Figures job={j} />
          <Tabs active={tab} tabs={[['graph', 'Operators'], ['commits', 'Epochs and commits'], ['failures', 'Failures', j.failures?.length ?? 0], ['letters', 'Dead letters', j.dead_letters], ['logs', 'Log'], ['definition', 'Definition']]} />
          {tab === 'graph' && <Operators job={j} />}
          {tab === 'commits' && <Commits job={j} />}
          {tab === 'failures' && <Failures job={j} />}
          {tab === 'letters' && <Letters job={j.id} />}
          {tab === 'logs' && <Logs id={j.id} />}
          {tab === 'definition' && <Definition job={j} />}
        </>
      )}</Await>
    </div>
  )
}

function Actions({ job }: { job: Job }) {
  const navigate = useNavigate()
  const params = { path: { id: job.id } }
  const stopped = ['stopped', 'failed', 'finished'].includes(job.state)
  return (
    <div className="actions">
      {!stopped && <Action run={async () => { await unwrap(client.POST('/v1/jobs/{id}/stop', { params })); return `${job.name} is stopped; its last epoch is committed.` }}>Stop</Action>}
      <Action run={async () => { await unwrap(client.POST('/v1/jobs/{id}/restart', { params })); return `${job.name} starts again where it was.` }}>Restart</Action>
      <Action color="red" confirm={<>The job ends for good. Its table <strong>{job.sink}</strong> and what is in it stay.</>}
        run={async () => {
          await unwrap(client.DELETE('/v1/jobs/{id}', { params }))
          void navigate({ to: '/jobs' })
          return `${job.name} is dropped.`
        }}>Drop</Action>
    </div>
  )
}

function Figures({ job }: { job: Job }) {
  const live = useLiveJobs()
  const now = useNow()
  const j = { ...job, ...live.jobs.get(job.id) }
  return (
    <Stats>
      <Stat label="Rows a second" sub={<Spark values={live.rates.get(job.id) ?? [0]} label="of the last two minutes" />}>{rate(j.rows_per_second)}</Stat>
      <Stat label="Rows in" sub={`${count(j.rows_out)} out`}>{count(j.rows_in)}</Stat>
      <Stat label="Behind" sub={`${many(j.pending, 'epoch')} to go`}>{duration(job.lag_ms)}</Stat>
      <Stat label="Epoch" sub={job.snapshot ? <>snapshot {count(job.snapshot)}</> : 'no snapshot yet'}>{count(j.epoch)}</Stat>
      <Stat label="Last commit" sub={job.doing}><Ago at={job.last_commit} now={now} /></Stat>
      <Stat label="Event time" sub="watermark, UTC"><span style={{ fontSize: 14 }}>{job.watermark?.replace('T', ' ').replace('Z', '') ?? '–'}</span></Stat>
      <Stat label="State" sub={job.checkpoint_epoch ? `checkpoint at epoch ${count(job.checkpoint_epoch)}` : 'no checkpoint yet'}>{bytes(j.state_bytes)}</Stat>
      <Stat label="Dead letters" sub={many(j.late_rows, 'late row')} tone={j.dead_letters > 0 ? 'warn' : undefined}>{count(j.dead_letters)}</Stat>
    </Stats>
  )
}

function Commits({ job }: { job: Job }) {
  const now = useNow()
  return (
    <Panel flush>
      <DataTable label="Commits" rows={job.commits ?? []} id={(c) => c.to} empty={<Empty title="No commits since the service started" />}
        columns={[
          { key: 'at', title: 'When', cell: (c) => <Ago at={c.at} now={now} />, by: (c) => c.at },
          { key: 'epochs', title: 'Epochs', cell: (c) => (c.from === c.to ? count(c.to) : `${count(c.from)} – ${count(c.to)}`), by: (c) => c.to },
          { key: 'with', title: 'With input', num: true, cell: (c) => count(c.epochs), by: (c) => c.epochs },
          { key: 'in', title: 'Rows in', num: true, cell: (c) => count(c.rows_in), by: (c) => c.rows_in },
          { key: 'out', title: 'Rows out', num: true, cell: (c) => count(c.rows_out), by: (c) => c.rows_out },
          { key: 'snapshot', title: 'Snapshot', num: true, cell: (c) => (c.snapshot ? count(c.snapshot) : <span className="dim">no rows, none</span>), by: (c) => c.snapshot },
          { key: 'read', title: 'Read', num: true, cell: (c) => duration(c.read_ms), by: (c) => c.read_ms },
          { key: 'step', title: 'Computed', num: true, cell: (c) => duration(c.step_ms), by: (c) => c.step_ms },
          { key: 'wait', title: 'Waited', num: true, cell: (c) => duration(c.wait_ms), by: (c) => c.wait_ms },
          { key: 'commit', title: 'Published', num: true, cell: (c) => duration(c.commit_ms), by: (c) => c.commit_ms },
        ]} />
    </Panel>
  )
}

function Failures({ job }: { job: Job }) {
  const now = useNow()
  return (
    <Panel flush>
      <DataTable label="Failures" rows={job.failures ?? []} id={(f) => f.at} empty={<Empty title="No failures since the service started" />}
        columns={[
          { key: 'at', title: 'When', cell: (f) => <Ago at={f.at} now={now} />, by: (f) => f.at },
          { key: 'kind', title: 'Kind', cell: (f) => f.kind ?? '' },
          { key: 'then', title: 'Then', cell: (f) => (f.final ? <State of="failed" /> : 'tried again') },
          { key: 'error', title: 'Error', wide: true, cell: (f) => f.error },
        ]} />
    </Panel>
  )
}

function Definition({ job }: { job: Job }) {
  return (
    <>
      <Panel title="Statement"><pre className="code" tabIndex={0}>{job.sql}</pre></Panel>
      <div className="cols">
        <Panel title="Identity">
          <dl className="facts">
            <dt>Id</dt><dd className="mono">{job.id}</dd>
            <dt>Writes</dt><dd><TableLink name={job.sink} /></dd>
            <dt>Commits as</dt><dd className="mono">{job.commit_user}</dd>
            <dt>Made by</dt><dd>{job.user || '–'}</dd>
            <dt>Guarantee</dt><dd>{job.guarantee}</dd>
            <dt>From epoch</dt><dd>{count(job.from_epoch)}</dd>
            <dt>Restarts</dt><dd>{count(job.restarts)}</dd>
          </dl>
        </Panel>
        <Panel title="Options">
          <dl className="facts">{Object.entries(job.options ?? {}).map(([k, v]) => [<dt key={k} className="mono">{k}</dt>, <dd key={`${k}-`} className="mono">{v}</dd>])}</dl>
        </Panel>
        <Panel title="Inputs">
          {(job.inputs ?? []).map((i) => (
            <p key={i.table} style={{ margin: '0 0 8px' }}>
              <TableLink name={i.table} /> {i.snapshot ? <>read to snapshot {count(i.snapshot)}</> : null}
              {i.rows_behind !== undefined && <>, {count(i.rows_behind)} rows behind</>}{i.ended && ', ended'}
              {i.offsets && <span className="mono dim"> {Object.entries(i.offsets).map(([k, v]) => `${k}=${v}`).join(' ')}</span>}
            </p>
          ))}
        </Panel>
      </div>
    </>
  )
}
