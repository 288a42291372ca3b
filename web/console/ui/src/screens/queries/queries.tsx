import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { client, unwrap, type Schemas } from '../../api/client'
import { every, queriesQuery, queryStates } from '../../api/queries'
import { bytes, count, duration, utc } from '../../lib/format'
import { Action } from '../../ui/action'
import { Ago, Head, Panel, Stat, State, Stats, TableLink, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

type Info = Schemas['Info']

/** Queries that run, wait, or have ended; ?id= shows one. */
export function Queries() {
  const now = useNow()
  const [address, change] = useAddress()
  const q = useInfiniteQuery(queriesQuery({ search: address.find, state: queryStates.find((s) => s === address.state) }))
  const rows = q.data?.pages.flat() ?? []
  return (
    <div className="screen">
      <Head title="Queries" />
      {address.id && <One id={address.id} />}
      <div className="filters">
        <TextInput data-filter aria-label="Find a query" placeholder="Find by text" value={address.find ?? ''} onChange={(e) => change({ find: e.currentTarget.value || undefined })} />
        <NativeSelect aria-label="State" data={[{ value: '', label: 'every state' }, ...queryStates]} value={address.state ?? ''} onChange={(e) => change({ state: e.currentTarget.value || undefined })} />
        <span className="dim">{count(rows.length)}{q.hasNextPage ? ' and older ones' : ''}</span>
      </div>
      <Await of={{ data: q.data && rows, error: q.error }} what="queries">{(list) => (
        <Panel flush>
          <DataTable label="Queries" rows={list} id={(x) => x.id} empty={<Empty title={address.find || address.state ? 'No query fits the filter' : 'No query ran yet'} />}
            columns={[
              { key: 'at', title: 'Asked', cell: (x) => <Ago at={x.queued_at} now={now} />, by: (x) => x.queued_at },
              { key: 'state', title: 'State', cell: (x) => <State of={x.state} />, by: (x) => x.state },
              { key: 'user', title: 'By', cell: (x) => x.user || '–', by: (x) => x.user },
              { key: 'sql', title: 'Statement', wide: true, cell: (x) => <><a href={`?id=${x.id}`} className="mono" onClick={(e) => { e.preventDefault(); change({ id: x.id }) }}>{brief(x.sql)}</a>{x.error && <div className="bad">{x.error}</div>}</> },
              { key: 'took', title: 'Took', num: true, cell: (x) => duration(took(x, now)), by: (x) => took(x, now) },
              { key: 'waited', title: 'Waited', num: true, cell: (x) => duration(x.started_at ? Date.parse(x.started_at) - Date.parse(x.queued_at) : undefined) },
              { key: 'rows', title: 'Rows', num: true, cell: (x) => count(x.rows), by: (x) => x.rows },
              { key: 'bytes', title: 'Data', num: true, cell: (x) => bytes(x.bytes), by: (x) => x.bytes },
              { key: 'do', title: 'Action', cell: (x) => open(x) && <Cancel id={x.id} /> },
            ]} />
          {q.hasNextPage && <div className="empty"><Button loading={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>Older ones</Button></div>}
        </Panel>
      )}</Await>
    </div>
  )
}

const open = (x: Info) => x.state === 'running' || x.state === 'queued'

function took(x: Info, now: number): number | undefined {
  return x.started_at ? (x.ended_at ? Date.parse(x.ended_at) : now) - Date.parse(x.started_at) : undefined
}

const briefChars = 220

function brief(sql: string): string {
  const one = sql.replace(/\s+/g, ' ').trim()
  return one.length > briefChars ? `${one.slice(0, briefChars)} …` : one
}

function Cancel({ id }: { id: string }) {
  return <Action size="compact-xs" needs="reader" run={async () => { await unwrap(client.DELETE('/v1/queries/{id}', { params: { path: { id } } })); return 'The query is cancelled.' }}>Cancel</Action>
}

function One({ id }: { id: string }) {
  const q = useQuery({ queryKey: ['query', id], refetchInterval: every.live, queryFn: async ({ signal }) => unwrap(client.GET('/v1/queries/{id}', { signal, params: { path: { id } } })) })
  const now = useNow()
  return (
    <Await of={q} what={`query ${id}`}>{(x) => (
      <Panel title={<>Query <span className="mono">{x.id}</span></>} right={<><Link to="/sql" search={{ sql: x.sql }}>Open in SQL</Link>{open(x) && <Cancel id={x.id} />}</>}>
        <Stats>
          <Stat label="State"><State of={x.state} /></Stat>
          <Stat label="By">{x.user || '–'}</Stat>
          <Stat label="Asked (UTC)"><span style={{ fontSize: 13 }}>{utc(x.queued_at)}</span></Stat>
          <Stat label="Took">{duration(took(x, now))}</Stat>
          <Stat label="Rows" sub={bytes(x.bytes)}>{count(x.rows)}</Stat>
          {x.cut && <Stat label={x.cut.epoch ? 'Epoch' : 'Versions'} sub={`${x.cut.level}, ${duration(x.cut.age_ms)} old`}>{x.cut.epoch ? count(x.cut.epoch) : '–'}</Stat>}
        </Stats>
        {x.error && <div className="problem">{x.error}</div>}
        <pre className="code" tabIndex={0}>{x.sql}</pre>
        {x.cut && <p>Read: {Object.entries(x.cut.snapshots).map(([t, s], i) => <span key={t}>{i > 0 && ', '}<TableLink name={t} /> snapshot {count(s)}</span>)}</p>}
      </Panel>
    )}</Await>
  )
}
