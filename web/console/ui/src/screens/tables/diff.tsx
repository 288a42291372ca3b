import { NativeSelect } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { count, utc } from '../../lib/format'
import { Panel, Stat, Stats, useAddress } from '../../ui/parts'
import { RowTable } from '../../ui/rows'
import { Await, Empty } from '../../ui/states'

const rowsMax = 500

/** What changed between two snapshots, as merged rows: ?from=, ?to=; without them, in the newest. */
export function Diff({ db, table }: { db: string; table: string }) {
  const [address, change] = useAddress()
  const path = { db, table }
  const snapshots = useQuery({
    queryKey: ['snapshots', db, table, 100],
    queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/snapshots', { signal, params: { path, query: { limit: 100 } } }))).items,
  })
  const ids = (snapshots.data ?? []).map((s) => s.id)
  // A compaction changes no row: the newest change is shown.
  const to = Number(address.to) || (snapshots.data?.find((s) => s.kind !== 'COMPACT')?.id ?? ids[0])
  const from = Number(address.from) || ids.find((id) => to !== undefined && id < to)
  const diff = useQuery({
    queryKey: ['diff', db, table, from, to], enabled: from !== undefined && to !== undefined,
    queryFn: async ({ signal }) => unwrap(client.GET('/v1/tables/{db}/{table}/diff', { signal, params: { path, query: { from: from!, to: to!, limit: rowsMax, bigint: 'string' } } })),
  })
  const choices = (snapshots.data ?? []).map((s) => ({ value: String(s.id), label: `${s.id} of ${utc(s.committed_ms)}` }))
  for (const id of [from, to]) if (id !== undefined && !ids.includes(id)) choices.push({ value: String(id), label: String(id) })
  if (snapshots.data && (from === undefined || to === undefined)) return <Panel><Empty title="There is no earlier version">A difference needs two snapshots.</Empty></Panel>
  return (
    <>
      <div className="filters">
        <NativeSelect label="From" data={choices} value={String(from ?? '')} onChange={(e) => change({ from: e.currentTarget.value, to: String(to) })} />
        <NativeSelect label="To" data={choices} value={String(to ?? '')} onChange={(e) => change({ to: e.currentTarget.value, from: String(from) })} />
      </div>
      <Await of={diff} what="the difference">{(d) => (
        <>
          <Stats>
            <Stat label="Added">{count(d.added)}</Stat>
            <Stat label="Removed">{count(d.removed)}</Stat>
            <Stat label="Changed">{count(d.updated)}</Stat>
          </Stats>
          <Panel flush>{d.rows.length === 0 ? <Empty title="No row differs">Compactions change files, not rows.</Empty> : <RowTable label="Differing rows" columns={d.columns} rows={d.rows as Record<string, unknown>[]} />}</Panel>
          {d.rows.length >= rowsMax && <p className="dim">The first {count(rowsMax)} rows.</p>}
        </>
      )}</Await>
    </>
  )
}
