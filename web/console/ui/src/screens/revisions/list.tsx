import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { client, unwrap } from '../../api/client'
import { every } from '../../api/queries'
import { count } from '../../lib/format'
import { Ago, Head, Panel, State, TableLink, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** The ledger of repairs. */
export function Revisions() {
  const navigate = useNavigate()
  const now = useNow()
  const q = useQuery({ queryKey: ['revisions'], refetchInterval: every.live, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/revisions', { signal }))).items })
  return (
    <div className="screen">
      <Head title="Revisions"><Button variant="filled" onClick={() => void navigate({ to: '/revisions/new' })}>New revision</Button></Head>
      <Panel flush>
        <Await of={q} what="revisions">{(list) => (
          <DataTable label="Revisions" rows={list} id={(r) => r.id}
            empty={<Empty title="Nothing was revised yet">A revision corrects the rows of a range of time with a query; every table downstream follows. <Link to="/revisions/new">Make one.</Link></Empty>}
            columns={[
              { key: 'id', title: 'Revision', cell: (r) => <Link to="/revisions/$id" params={{ id: r.id }} className="mono">{r.id.slice(0, 8)}</Link> },
              { key: 'state', title: 'State', cell: (r) => <State of={r.state} />, by: (r) => r.state },
              { key: 'table', title: 'Table', cell: (r) => <TableLink name={r.table} />, by: (r) => r.table },
              { key: 'range', title: 'Range (UTC)', cell: (r) => <Range from={r.range_from} to={r.range_to} /> },
              { key: 'why', title: 'Why', wide: true, cell: (r) => <>{r.why || <span className="dim">no reason given</span>}{r.undo_of && <> (undoes <Link to="/revisions/$id" params={{ id: r.undo_of }} className="mono">{r.undo_of.slice(0, 8)}</Link>)</>}{r.error && <div className="bad">{r.error}</div>}</> },
              { key: 'who', title: 'Who', cell: (r) => r.who ?? '–', by: (r) => r.who },
              { key: 'added', title: 'Added', num: true, cell: (r) => count(r.rows_added), by: (r) => r.rows_added },
              { key: 'removed', title: 'Removed', num: true, cell: (r) => count(r.rows_removed), by: (r) => r.rows_removed },
              { key: 'changed', title: 'Changed', num: true, cell: (r) => count(r.rows_changed), by: (r) => r.rows_changed },
              { key: 'at', title: 'When', cell: (r) => <Ago at={r.created} now={now} />, by: (r) => r.created },
            ]} />
        )}</Await>
      </Panel>
    </div>
  )
}

export function Range({ from, to }: { from?: string; to?: string }) {
  if (!from && !to) return <span className="dim">–</span>
  const short = (t?: string) => t?.replace('T', ' ').replace('Z', '').replace(/ 00:00:00$/, '') ?? '…'
  return <span className="nowrap">{short(from)} – {short(to)}</span>
}
