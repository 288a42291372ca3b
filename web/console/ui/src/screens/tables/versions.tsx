import { Modal } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Button } from '@mantine/core'
import { client, unwrap, type Schemas } from '../../api/client'
import { every } from '../../api/queries'
import { count, utc } from '../../lib/format'
import { Ago, Panel, Tag, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

interface Name { db: string; table: string }

const pageSize = 100

/** Versions, newest first, as far back as they are kept. */
export function Snapshots({ db, table }: Name) {
  const now = useNow()
  const [address, change] = useAddress()
  const q = useInfiniteQuery({
    queryKey: ['snapshots', db, table], initialPageParam: undefined as number | undefined, refetchInterval: every.list,
    queryFn: async ({ signal, pageParam }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/snapshots', { signal, params: { path: { db, table }, query: { limit: pageSize, before: pageParam } } }))).items,
    getNextPageParam: (last) => (last.length === pageSize ? last.at(-1)?.id : undefined),
  })
  return (
    <Await of={{ data: q.data?.pages.flat(), error: q.error }} what="snapshots">{(list) => (
      <Panel flush>
        <DataTable label="Snapshots" rows={list} id={(s) => s.id} empty={<Empty title="No snapshots yet">The table has had no rows.</Empty>}
          columns={[
            { key: 'id', title: 'Snapshot', num: true, cell: (s) => <a href={`?open=${s.id}`} onClick={(e) => { e.preventDefault(); change({ open: String(s.id) }) }}>{count(s.id)}</a>, by: (s) => s.id },
            { key: 'at', title: 'Committed', cell: (s) => <Ago at={s.committed_ms} now={now} />, by: (s) => s.committed_ms },
            { key: 'kind', title: 'Kind', cell: (s) => <Tag>{s.kind.toLowerCase()}</Tag>, by: (s) => s.kind },
            { key: 'rows', title: 'Rows', num: true, cell: (s) => count(s.rows), by: (s) => s.rows },
            { key: 'delta', title: 'Change', num: true, cell: (s) => `${s.delta_rows > 0 ? '+' : ''}${count(s.delta_rows)}`, by: (s) => s.delta_rows },
            { key: 'epoch', title: 'Epoch', num: true, cell: (s) => (s.epoch ? count(s.epoch) : ''), by: (s) => s.epoch },
            { key: 'by', title: 'Made by', cell: (s) => s.job || <span className="mono dim">{s.commit_user}</span> },
            { key: 'mark', title: 'Event time', cell: (s) => utc(s.watermark), by: (s) => s.watermark },
            { key: 'see', title: 'See', cell: (s) => <span className="nowrap"><Link to="." search={{ tab: 'sample', snapshot: String(s.id) }}>rows</Link> · {s.id > 1 && <Link to="." search={{ tab: 'diff', from: String(s.id - 1), to: String(s.id) }}>difference</Link>}</span> },
          ]} />
        {q.hasNextPage && <div className="empty"><Button loading={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>Older ones</Button></div>}
        <Properties of={list.find((s) => String(s.id) === address.open)} onClose={() => change({ open: undefined })} />
      </Panel>
    )}</Await>
  )
}

function Properties({ of: s, onClose }: { of: Schemas['SnapshotInfo'] | undefined; onClose: () => void }) {
  return (
    <Modal opened={!!s} onClose={onClose} size="xl" title={`Snapshot ${s?.id}`} closeButtonProps={{ 'aria-label': 'Close' }}>
      {s && (
        <dl className="facts">
          <dt>Committed (UTC)</dt><dd>{utc(s.committed_ms)}</dd>
          <dt>Kind</dt><dd>{s.kind}</dd>
          <dt>Commit user</dt><dd className="mono">{s.commit_user}</dd>
          <dt>Schema</dt><dd>{s.schema_id}</dd>
          {Object.entries(s.properties ?? {}).map(([k, v]) => [<dt key={k} className="mono">{k}</dt>, <dd key={`${k}-`} className="mono">{v}</dd>])}
        </dl>
      )}
    </Modal>
  )
}

/** Names of versions, and branches. */
export function Tags({ db, table }: Name) {
  const params = { path: { db, table } }
  const now = useNow()
  const tags = useQuery({ queryKey: ['tags', db, table], refetchInterval: every.slow, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/tags', { signal, params }))).items })
  const branches = useQuery({ queryKey: ['branches', db, table], refetchInterval: every.slow, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/branches', { signal, params }))).items })
  return (
    <>
      <Panel title="Tags" flush><Await of={tags} what="tags">{(list) => (
        <DataTable label="Tags" rows={list} id={(t) => t.name} sortAs="tsort" empty={<Empty title="No tags">Tags keep a version from being expired: hourly ones are made by the service.</Empty>}
          columns={[
            { key: 'name', title: 'Tag', cell: (t) => <span className="mono">{t.name}</span>, by: (t) => t.name },
            { key: 'snapshot', title: 'Snapshot', num: true, cell: (t) => count(t.snapshot), by: (t) => t.snapshot },
            { key: 'at', title: 'Of', cell: (t) => utc(t.snapshot_ms), by: (t) => t.snapshot_ms },
            { key: 'made', title: 'Made', cell: (t) => <Ago at={t.created_ms} now={now} />, by: (t) => t.created_ms },
            { key: 'rows', title: 'Rows', num: true, cell: (t) => count(t.rows), by: (t) => t.rows },
            { key: 'see', title: 'See', cell: (t) => <Link to="." search={{ tab: 'sample', tag: t.name }}>rows</Link> },
          ]} />
      )}</Await></Panel>
      <Panel title="Branches" flush><Await of={branches} what="branches">{(list) => (
        <DataTable label="Branches" rows={list} id={(b) => b.name} sortAs="bsort" empty={<Empty title="No branches" />}
          columns={[
            { key: 'name', title: 'Branch', cell: (b) => <span className="mono">{b.name}</span>, by: (b) => b.name },
            { key: 'snapshot', title: 'Snapshot', num: true, cell: (b) => count(b.snapshot), by: (b) => b.snapshot },
            { key: 'at', title: 'Committed', cell: (b) => <Ago at={b.committed_ms} now={now} />, by: (b) => b.committed_ms },
            { key: 'rows', title: 'Rows', num: true, cell: (b) => count(b.rows), by: (b) => b.rows },
          ]} />
      )}</Await></Panel>
    </>
  )
}
