import { Link } from '@tanstack/react-router'
import { ago, count, duration } from '../../lib/format'
import { Panel, State, TableLink, Tag, useNow } from '../../ui/parts'
import { Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'
import type { Lineage } from './lineage'

/** Edges with the versions on both sides: which snapshot or offsets made the newest, or the one asked for. */
export function List({ graph: g, open }: { graph: Lineage; open: (id: string) => void }) {
  const now = useNow()
  const nodes = new Map(g.nodes.map((n) => [n.id, n]))
  return (
    <Panel flush title="Edges: what each table was last made from">
      <DataTable label="Edges" rows={g.edges ?? []} id={(e) => `${e.from}>${e.to}>${e.job}`} sortAs="esort" empty={<Empty title="No edges" />}
        columns={[
          { key: 'to', title: 'Table', cell: (e) => <><TableLink name={e.to} /> <a href="#" className="dim" onClick={(x) => { x.preventDefault(); open(e.to) }}>lineage</a></>, by: (e) => e.to },
          { key: 'snapshot', title: 'Its snapshot', num: true, cell: (e) => (e.snapshot ? count(e.snapshot) : '–'), by: (e) => e.snapshot },
          { key: 'at', title: 'Newest commit', cell: (e) => <span className="nowrap">{ago(nodes.get(e.to)?.committed_ms, now)}</span>, by: (e) => nodes.get(e.to)?.committed_ms },
          { key: 'from', title: 'Made from', cell: (e) => <><TableLink name={e.from} /> {nodes.get(e.from)?.connector && <Tag>{nodes.get(e.from)?.connector}</Tag>}</>, by: (e) => e.from },
          { key: 'version', title: 'Version read', wide: true, cell: (e) => <span className="mono">{e.from_version ? `${e.from_version} to ` : ''}{e.version ?? '–'}</span> },
          { key: 'job', title: 'By', cell: (e) => (e.kind === 'job' ? <><Link to="/jobs" search={{ find: e.job }}>{e.job}</Link> {e.state && <State of={e.state} />}</> : <>{e.job} <Tag>{e.kind}</Tag></>), by: (e) => e.job },
          { key: 'last', title: 'Delay', num: true, cell: (e) => duration(e.delay?.last_ms), by: (e) => e.delay?.last_ms },
          { key: 'p50', title: 'p50', num: true, cell: (e) => duration(e.delay?.p50_ms), by: (e) => e.delay?.p50_ms },
          { key: 'p99', title: 'p99', num: true, cell: (e) => duration(e.delay?.p99_ms), by: (e) => e.delay?.p99_ms },
        ]} />
    </Panel>
  )
}

/** Columns on the way, the direct edges before those through filters, keys and orders. */
export function Columns({ graph: g, direction }: { graph: Lineage; direction: string }) {
  const rows = [...(g.columns ?? [])].sort((a, b) => Number(b.direct) - Number(a.direct))
  return (
    <Panel flush title={`Columns ${direction === 'up' ? 'that feed' : direction === 'down' ? 'fed by' : 'around'} ${g.table}.${g.column}`}>
      <DataTable label="Columns" rows={rows} id={(e) => `${e.from.table}.${e.from.column}>${e.to.table}.${e.to.column}>${e.kind}`} sortAs="csort" empty={<Empty title="No column feeds it">It is a constant, or the table is a source.</Empty>}
        columns={[
          { key: 'to', title: 'Column', cell: (e) => <Ref of={e.to} />, by: (e) => `${e.to.table}.${e.to.column}` },
          { key: 'from', title: 'From', cell: (e) => <Ref of={e.from} />, by: (e) => `${e.from.table}.${e.from.column}` },
          { key: 'how', title: 'How', cell: (e) => <><Tag>{e.direct ? 'direct' : 'indirect'}</Tag> {e.kind}</>, by: (e) => `${e.direct ? 0 : 1}${e.kind}` },
          { key: 'job', title: 'By', cell: (e) => e.job, by: (e) => e.job },
        ]} />
    </Panel>
  )
}

function Ref({ of: r }: { of: { table: string; column: string } }) {
  return <Link to="/lineage" search={{ table: r.table, column: r.column }} className="mono">{r.table}.{r.column}</Link>
}
