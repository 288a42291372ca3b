import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { client, unwrap } from '../../api/client'
import { every } from '../../api/queries'
import { Ago, Bar, Head, Panel, State, TableLink, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** Statements that fill ranges of partitions, by the clock and by hand. */
export function Backfills() {
  const navigate = useNavigate()
  const now = useNow()
  const q = useQuery({ queryKey: ['backfills'], refetchInterval: every.live, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/backfills', { signal }))).items })
  return (
    <div className="screen">
      <Head title="Backfills"><Button variant="filled" onClick={() => void navigate({ to: '/backfills/new' })}>New backfill</Button></Head>
      <Panel flush>
        <Await of={q} what="backfills">{(list) => (
          <DataTable label="Backfills" rows={list} id={(b) => b.id} sort="name"
            empty={<Empty title="No backfills yet">A backfill is an <code>INSERT OVERWRITE</code> of a range of partitions, run by a cron line or by hand. <Link to="/backfills/new">Make one.</Link></Empty>}
            columns={[
              { key: 'name', title: 'Backfill', cell: (b) => <><Link to="/backfills/$name" params={{ name: b.name }}>{b.name}</Link>{b.error && <div className="bad">{b.error}</div>}</>, by: (b) => b.name },
              { key: 'state', title: 'State', cell: (b) => <State of={b.running ? 'running' : b.state} />, by: (b) => b.state },
              { key: 'table', title: 'Writes', cell: (b) => <TableLink name={b.table} />, by: (b) => b.table },
              { key: 'cron', title: 'When', cell: (b) => (b.cron ? <><span className="mono">{b.cron}</span> <span className="dim">{b.timezone}</span></> : 'by hand') },
              { key: 'clock', title: 'Clock', cell: (b) => b.clock ?? 'wall' },
              { key: 'next', title: 'Next tick (UTC)', cell: (b) => <span className="nowrap">{b.next?.replace('T', ' ').replace('Z', '') ?? '–'}</span>, by: (b) => b.next },
              { key: 'last', title: 'Last run', cell: (b) => b.last ? <><State of={b.last.state} /> <Ago at={b.last.ended ?? b.last.started} now={now} /></> : <span className="dim">none yet</span> },
              { key: 'progress', title: 'Progress', cell: (b) => b.last && b.last.slices > 0 && <Bar share={b.last.slices_done / b.last.slices} label={`${b.last.slices_done} of ${b.last.slices} slices`} /> },
            ]} />
        )}</Await>
      </Panel>
    </div>
  )
}
