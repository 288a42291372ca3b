import { NativeSelect, SegmentedControl } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { client, unwrap, type Schemas } from '../../api/client'
import { every, tableQuery, tablesQuery } from '../../api/queries'
import { count, many, utc } from '../../lib/format'
import { Graph } from '../../ui/graph'
import { Head, Panel, TableLink, useAddress } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { Columns, List } from './list'

export type Lineage = Schemas['Graph']

type Direction = 'up' | 'down' | 'both'

/** More nodes than this are shown as a list first: nobody reads such a drawing. */
const drawnMax = 150
/** As the service lays the graph out. */
const nodeSize = { width: 180, height: 44 }

/** Where tables and columns come from and go to: ?table=, ?column=, ?direction=, ?depth=, ?snapshot=, ?view=. */
export function LineageScreen() {
  const [address, change] = useAddress()
  const tables = useQuery(tablesQuery)
  const table = address.table
  const [db = '', name = ''] = (table ?? '').split('.')
  const columns = useQuery({ ...tableQuery(db, name), enabled: !!name, refetchInterval: false })
  const direction = (['up', 'down', 'both'] as const).find((d) => d === address.direction) ?? 'both'
  const depth = Number(address.depth) || 0
  const snapshot = Number(address.snapshot) || undefined
  const q = useQuery({
    queryKey: ['lineage', table, address.column, direction, depth, snapshot], refetchInterval: every.list, placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => unwrap(client.GET('/v1/lineage', { signal, params: { query: { table, column: address.column, direction: table ? direction : undefined, depth, snapshot } } })),
  })
  const view = address.view ?? ((q.data?.nodes.length ?? 0) > drawnMax ? 'list' : 'graph')
  const names = (tables.data ?? []).map((t) => `${t.database}.${t.name}`).sort()
  if (table && !names.includes(table)) names.push(table)
  return (
    <div className="screen">
      <Head title="Lineage">{table && <Link to="/tables/$db/$table" params={{ db, table: name }}>Table {name}</Link>}</Head>
      <div className="filters">
        <NativeSelect label="Table" data={[{ value: '', label: 'all tables' }, ...names]} value={table ?? ''} onChange={(e) => change({ table: e.currentTarget.value || undefined, column: undefined, snapshot: undefined })} />
        <NativeSelect label="Column" disabled={!table} data={[{ value: '', label: 'the whole table' }, ...(columns.data?.columns ?? []).map((c) => c.name)]} value={address.column ?? ''} onChange={(e) => change({ column: e.currentTarget.value || undefined })} />
        <div>
          <SegmentedControl aria-label="Direction" disabled={!table} data={[{ value: 'up', label: 'made from' }, { value: 'both', label: 'both' }, { value: 'down', label: 'goes to' }]} value={direction} onChange={(v) => change({ direction: v === 'both' ? undefined : v })} />
        </div>
        <NativeSelect label="Steps" data={[{ value: '', label: 'all' }, '1', '2', '3', '5']} value={address.depth ?? ''} onChange={(e) => change({ depth: e.currentTarget.value || undefined })} />
        {table && <Snapshots db={db} table={name} value={address.snapshot} onChange={(v) => change({ snapshot: v })} />}
        <SegmentedControl aria-label="View" data={[{ value: 'graph', label: 'graph' }, { value: 'list', label: 'list' }]} value={view} onChange={(v) => change({ view: v })} />
      </div>
      <Await of={q} what="lineage">{(g) => <Answer graph={g} direction={direction} view={view} open={(id) => change({ table: id, column: undefined, snapshot: undefined })} />}</Await>
    </div>
  )
}

function Snapshots({ db, table, value, onChange }: { db: string; table: string; value: string | undefined; onChange: (v: string | undefined) => void }) {
  const q = useQuery({
    queryKey: ['snapshots', db, table, 100],
    queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/snapshots', { signal, params: { path: { db, table }, query: { limit: 100 } } }))).items,
  })
  const list = (q.data ?? []).map((s) => ({ value: String(s.id), label: `${s.id} of ${utc(s.committed_ms)}` }))
  if (value && !list.some((s) => s.value === value)) list.push({ value, label: value })
  return <NativeSelect label="As of snapshot" data={[{ value: '', label: 'now' }, ...list]} value={value ?? ''} onChange={(e) => onChange(e.currentTarget.value || undefined)} />
}

function Answer({ graph: g, direction, view, open }: { graph: Lineage; direction: Direction; view: string; open: (id: string) => void }) {
  const edges = g.edges ?? []
  if (g.nodes.length === 0) return <Panel><Empty title="No lineage yet">A table has lineage when a job or an INSERT made it from others.</Empty></Panel>
  const list = view === 'list'
  return (
    <>
      <p className="dim">{many(g.nodes.length, 'table')}, {many(edges.length, 'edge')}{g.snapshot ? `, as of snapshot ${g.snapshot} of ${g.table}` : ''}.{g.truncated && <span className="warn"> Only a part is shown: choose fewer steps.</span>}</p>
      {list ? <List graph={g} open={open} /> : <Drawing graph={g} open={open} />}
      {g.column && <Columns graph={g} direction={direction} />}
      {!list && edges.length > 0 && <List graph={g} open={open} />}
    </>
  )
}

function Drawing({ graph: g, open }: { graph: Lineage; open: (id: string) => void }) {
  return (
    <Panel flush>
      <Graph label="Lineage" {...nodeSize} edges={(g.edges ?? []).map((e) => ({
        from: e.from, to: e.to, bends: e.bends ?? [], label: `${e.from} → ${e.to}, by ${e.job}`, className: e.state === 'failed' || e.state === 'stopped' ? 'soft' : '',
      }))} nodes={g.nodes.map((n) => ({
        ...n, className: `${n.id === g.table ? 'here' : ''} ${n.kind === 'source' ? 'accent' : n.kind === 'missing' ? 'bad' : 'good'}`,
        content: (
          <>
            <div className="name" title={n.id}><TableLink name={n.id} /></div>
            <div className="line" title={n.columns?.join(', ')}>
              {n.columns && n.columns.length > 0 ? n.columns.join(', ') : n.connector ? n.connector : n.kind === 'missing' ? 'dropped' : n.snapshot ? `snapshot ${count(n.snapshot)}` : n.kind}
              {n.id !== g.table && <> · <button type="button" className="plain" aria-label={`Lineage of ${n.id}`} onClick={() => open(n.id)}>lineage</button></>}
            </div>
          </>
        ),
      }))} />
    </Panel>
  )
}
