import { Button, Modal, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { client, unwrap, type Schemas } from '../../api/client'
import { every } from '../../api/queries'
import { count, duration, many, utc } from '../../lib/format'
import { Action, tell } from '../../ui/action'
import { Ago, Bar, Head, Panel, Stat, State, Stats, TableLink, Tabs, Tag, useAddress, useNow } from '../../ui/parts'
import { Await, Empty, ErrorBox } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { Slices } from './slices'

type Backfill = Schemas['Backfill']
type Run = Schemas['Run']

/** One backfill: its runs, slice by slice; ?run= shows one. */
export function BackfillDetail() {
  const { name } = useParams({ from: '/backfills/$name' })
  const [address, change] = useAddress()
  const params = { path: { name } }
  const q = useQuery({ queryKey: ['backfill', name], refetchInterval: every.live, queryFn: async ({ signal }) => unwrap(client.GET('/v1/backfills/{name}', { signal, params })) })
  const runs = useQuery({ queryKey: ['runs', name], refetchInterval: every.live, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/backfills/{name}/runs', { signal, params: { ...params, query: { limit: 500 } } }))).items })
  const tab = address.tab ?? 'runs'
  return (
    <div className="screen">
      <Await of={q} what={`backfill ${name}`}>{(b) => (
        <>
          <Head title={name} crumb={<Link to="/backfills">Backfills</Link>}><State of={b.running ? 'running' : b.state} /><Actions of={b} /></Head>
          {b.error && <div className="problem" role="alert">{b.error}</div>}
          <Stats>
            <Stat label="Writes"><span style={{ fontSize: 14 }}><TableLink name={b.table} /></span></Stat>
            <Stat label="When" sub={b.timezone}><span style={{ fontSize: 14 }}>{b.cron || 'by hand'}</span></Stat>
            <Stat label="Next tick" sub="UTC"><span style={{ fontSize: 14 }}>{b.next?.replace('T', ' ').replace('Z', '') ?? '–'}</span></Stat>
            <Stat label="Its clock shows" sub={b.clock ?? 'wall'}><span style={{ fontSize: 14 }}>{utc(b.now)}</span></Stat>
            <Stat label="Missed ticks" sub={`priority ${b.priority ?? 'low'}`}>{b.catch_up || 'last'}</Stat>
            <Stat label="Slice" sub={b.together && b.together > 1 ? `up to ${b.together} together` : undefined}>{b.slice || 'a partition'}</Stat>
          </Stats>
          <Tabs active={tab} tabs={[['runs', 'Runs'], ['partitions', 'Partition grid'], ['definition', 'Statement']]} />
          {tab === 'definition' && <Panel><pre className="code" tabIndex={0}>{b.sql}</pre></Panel>}
          {tab === 'partitions' && <Await of={runs} what="runs">{(list) => <Slices runs={list} open={(run) => change({ tab: undefined, run })} />}</Await>}
          {tab === 'runs' && <>
            {(address.run ?? b.running) && <One name={name} id={address.run ?? b.running ?? ''} />}
            <Runs of={runs} open={(run) => change({ run })} />
          </>}
        </>
      )}</Await>
    </div>
  )
}

function Actions({ of: b }: { of: Backfill }) {
  const navigate = useNavigate()
  const params = { path: { name: b.name } }
  return (
    <div className="actions">
      <RunByHand name={b.name} />
      {b.state === 'active'
        ? <Action run={async () => { await unwrap(client.POST('/v1/backfills/{name}/pause', { params })); return `${b.name} lets its ticks pass.` }}>Pause</Action>
        : <Action run={async () => { await unwrap(client.POST('/v1/backfills/{name}/resume', { params })); return `${b.name} follows its clock again.` }}>Resume</Action>}
      <Action color="red" confirm="The backfill runs no more. Its table and the record of its runs stay." run={async () => {
        await unwrap(client.DELETE('/v1/backfills/{name}', { params }))
        void navigate({ to: '/backfills' })
        return `${b.name} is dropped.`
      }}>Drop</Action>
    </div>
  )
}

/** Midnight UTC or the moment, as the service reads it. */
function moment(text: string): string {
  const t = text.trim().replace(' ', 'T')
  return /^\d{4}-\d\d-\d\d$/.test(t) ? `${t}T00:00:00Z` : /(Z|[+-]\d\d:\d\d)$/.test(t) ? t : `${t}Z`
}

function RunByHand({ name }: { name: string }) {
  const [open, setOpen] = useState(false)
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [, change] = useAddress()
  const queries = useQueryClient()
  const m = useMutation({
    mutationFn: async () => unwrap(client.POST('/v1/backfills/{name}/runs', { params: { path: { name } }, body: { from: moment(from), to: moment(to) } })),
    onSuccess: (r: Run) => {
      setOpen(false)
      tell('The run is recorded.')
      change({ tab: undefined, run: r.id })
      void queries.invalidateQueries()
    },
  })
  return (
    <>
      <Button variant="filled" onClick={() => setOpen(true)}>Run a range</Button>
      <Modal opened={open} onClose={() => setOpen(false)} title="Run a range by hand" closeButtonProps={{ 'aria-label': 'Close' }}>
        <form className="form" onSubmit={(e) => { e.preventDefault(); m.mutate() }}>
          <TextInput label="From (UTC)" required placeholder="2013-07-01" value={from} onChange={(e) => setFrom(e.currentTarget.value)} data-autofocus />
          <TextInput label="to, without it" required placeholder="2013-08-01" value={to} onChange={(e) => setTo(e.currentTarget.value)} />
          {m.error ? <ErrorBox error={m.error} what="The run was refused" /> : null}
          <div className="row"><Button type="submit" variant="filled" loading={m.isPending}>Run</Button></div>
        </form>
      </Modal>
    </>
  )
}

function Runs({ of, open }: { of: { data: Run[] | undefined; error: unknown }; open: (id: string) => void }) {
  const now = useNow()
  return (
    <Panel flush><Await of={of} what="runs">{(list) => (
      <DataTable label="Runs" rows={list} id={(r) => r.id} empty={<Empty title="It has not run yet" />}
        columns={[
          { key: 'id', title: 'Run', cell: (r) => <a href={`?run=${r.id}`} className="mono" onClick={(e) => { e.preventDefault(); open(r.id) }}>{r.id}</a> },
          { key: 'state', title: 'State', cell: (r) => <><State of={r.state} />{r.error && <div className="bad">{r.error}</div>}</>, by: (r) => r.state },
          { key: 'kind', title: 'By', cell: (r) => (r.kind === 'hand' ? r.user || 'hand' : <Tag>{r.kind}</Tag>) },
          { key: 'range', title: 'Range (UTC)', cell: (r) => <span className="nowrap">{utc(r.from)} – {utc(r.to)}</span>, by: (r) => r.from },
          { key: 'progress', title: 'Slices', cell: (r) => <span className="rate"><Bar share={r.slices_done / Math.max(1, r.slices)} label={`${r.slices_done} of ${r.slices}`} />{count(r.slices_done)}/{count(r.slices)}</span>, by: (r) => r.slices_done },
          { key: 'rows', title: 'Rows', num: true, cell: (r) => count(r.rows), by: (r) => r.rows },
          { key: 'snapshots', title: 'Snapshots', num: true, cell: (r) => (r.snapshots.length === 0 ? <span className="dim">none</span> : count(r.snapshots.length)) },
          { key: 'took', title: 'Took', num: true, cell: (r) => duration(r.started && r.ended ? Date.parse(r.ended) - Date.parse(r.started) : undefined) },
          { key: 'at', title: 'Begun', cell: (r) => <Ago at={r.started ?? r.created} now={now} />, by: (r) => r.started ?? r.created },
        ]} />
    )}</Await></Panel>
  )
}

function One({ name, id }: { name: string; id: string }) {
  const params = { path: { name, id } }
  const q = useQuery<Run>({
    queryKey: ['run', name, id], queryFn: async ({ signal }) => unwrap(client.GET('/v1/backfills/{name}/runs/{id}', { signal, params })),
    refetchInterval: (x) => (x.state.data && ['queued', 'running'].includes(x.state.data.state) ? 1000 : every.slow),
  })
  return (
    <Await of={q} what={`run ${id}`}>{(r) => (
      <Panel title={<>Run <span className="mono">{r.id}</span>,  {utc(r.from)} – {utc(r.to)}</>} right={<>
        <State of={r.state} />
        {(r.state === 'running' || r.state === 'queued') && <Action size="compact-xs" run={async () => { await unwrap(client.DELETE('/v1/backfills/{name}/runs/{id}', { params })); return 'The run ends after what it is committing.' }}>Cancel run</Action>}
      </>}>
        {r.error && <div className="problem" role="alert">{r.error}</div>}
        <p style={{ marginTop: 0 }} role="status" data-testid="run-progress">{count(r.slices_done)} of {many(r.slices, 'slice')}, {many(r.rows, 'row')}, {many(r.snapshots.length, 'snapshot')}, {many(r.attempts, 'attempt')}.</p>
        <Progress text={r.progress} />
        {r.inputs.length > 0 && <p>Read: {r.inputs.map((i, n) => <span key={i.table}>{n > 0 && ', '}<TableLink name={i.table} /> snapshot {count(i.snapshot)}</span>)}</p>}
        {r.log.length > 0 && <div className="log" tabIndex={0} role="log" aria-label="Log of the run">{r.log.map((l, i) => <div key={i}>{l}</div>)}</div>}
      </Panel>
    )}</Await>
  )
}

const words: Record<string, string> = { '.': 'to do', w: 'written', '=': 'equal already' }

function Progress({ text }: { text: string }) {
  return (
    <>
      <div className="slices" role="img" aria-label={`${text.length} slices`}>
        {[...text].map((c, i) => <i key={i} className={c === 'w' ? 'w' : c === '=' ? 'same' : ''} title={`slice ${i + 1}: ${words[c] ?? c}`} />)}
      </div>
      <div className="legend" aria-hidden="true"><span className="slices"><i className="w" /></span>written<span className="slices"><i className="same" /></span>equal already, nothing written<span className="slices"><i /></span>to do</div>
    </>
  )
}
