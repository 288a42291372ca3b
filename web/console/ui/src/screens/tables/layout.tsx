import { Button } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { client, unwrap, type Schemas } from '../../api/client'
import { every } from '../../api/queries'
import { bytes, count, many, utc } from '../../lib/format'
import { Ago, Bar, Panel, Tag, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

interface Name { db: string; table: string }

export function Partitions({ db, table, keys }: Name & { keys: string[] }) {
  const now = useNow()
  const [, change] = useAddress()
  const q = useQuery({ queryKey: ['partitions', db, table], refetchInterval: every.slow, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/partitions', { signal, params: { path: { db, table } } }))).items })
  return (
    <Panel flush><Await of={q} what="partitions">{(list) => {
      const most = Math.max(1, ...list.map((p) => p.bytes))
      return (
        <DataTable label="Partitions" rows={list} id={(p) => p.partition} sort="-name" empty={<Empty title="No partitions">{keys.length === 0 ? 'The table is not partitioned and has no rows.' : 'The table has no rows.'}</Empty>}
          columns={[
            { key: 'name', title: 'Partition', cell: (p) => <a href={`?tab=files&partition=${encodeURIComponent(p.partition)}`} onClick={(e) => { e.preventDefault(); change({ tab: 'files', partition: p.partition || undefined }) }} className="mono">{p.partition || '(all rows)'}</a>, by: (p) => p.partition },
            { key: 'rows', title: 'Rows', num: true, cell: (p) => count(p.rows), by: (p) => p.rows },
            { key: 'bytes', title: 'Size', num: true, cell: (p) => bytes(p.bytes), by: (p) => p.bytes },
            { key: 'share', title: 'Of the largest', cell: (p) => <Bar share={p.bytes / most} label={bytes(p.bytes)} /> },
            { key: 'files', title: 'Files', num: true, cell: (p) => count(p.files), by: (p) => p.files },
            { key: 'buckets', title: 'Buckets', num: true, cell: (p) => count(p.buckets), by: (p) => p.buckets },
            { key: 'at', title: 'Last written', cell: (p) => <Ago at={p.updated_ms} now={now} />, by: (p) => p.updated_ms },
          ]} />
      )
    }}</Await></Panel>
  )
}

export function Buckets({ db, table }: Name) {
  const q = useQuery({ queryKey: ['buckets', db, table], refetchInterval: every.slow, queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/buckets', { signal, params: { path: { db, table } } }))).items })
  return (
    <Panel flush><Await of={q} what="buckets">{(list) => (
      <DataTable label="Buckets" rows={list} id={(b) => `${b.partition}/${b.bucket}`} sort="-runs" empty={<Empty title="No files yet" />}
        columns={[
          { key: 'part', title: 'Partition', cell: (b) => <span className="mono">{b.partition || '–'}</span>, by: (b) => b.partition },
          { key: 'bucket', title: 'Bucket', num: true, cell: (b) => b.bucket, by: (b) => b.bucket },
          { key: 'runs', title: 'Sorted runs', num: true, cell: (b) => count(b.sorted_runs), by: (b) => b.sorted_runs },
          { key: 'rows', title: 'Rows', num: true, cell: (b) => count(b.rows), by: (b) => b.rows },
          { key: 'bytes', title: 'Size', num: true, cell: (b) => bytes(b.bytes), by: (b) => b.bytes },
          { key: 'files', title: 'Files', num: true, cell: (b) => count(b.files), by: (b) => b.files },
          { key: 'levels', title: 'Levels', wide: true, cell: (b) => (b.levels ?? []).map((l) => <span key={l.level} style={{ marginRight: 6 }} title={many(l.rows, 'row')}><Tag>L{l.level} {bytes(l.bytes)}, {many(l.files, 'file')}</Tag></span>) },
        ]} />
    )}</Await></Panel>
  )
}

const pageSize = 200

export function Files({ db, table }: Name) {
  const [address, change] = useAddress()
  const now = useNow()
  const offset = Math.max(0, Number(address.offset) || 0)
  const partition = address.partition
  const q = useQuery({
    queryKey: ['files', db, table, partition, offset], refetchInterval: every.slow, placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => unwrap(client.GET('/v1/tables/{db}/{table}/files', { signal, params: { path: { db, table }, query: { partition, offset, limit: pageSize } } })),
  })
  return (
    <Await of={q} what="files">{(page) => (
      <Panel flush title={partition ? `Files of ${partition}` : 'Files'} right={<>
        {partition && <Button size="compact-xs" onClick={() => change({ partition: undefined, offset: undefined })}>All partitions</Button>}
        <span className="dim">{count(Math.min(page.total, offset + 1))}–{count(Math.min(page.total, offset + pageSize))} of {count(page.total)}</span>
        <Button size="compact-xs" disabled={offset === 0} onClick={() => change({ offset: String(Math.max(0, offset - pageSize)) })}>Before</Button>
        <Button size="compact-xs" disabled={offset + pageSize >= page.total} onClick={() => change({ offset: String(offset + pageSize) })}>Next</Button>
      </>}>
        <DataTable label="Files" rows={page.items} id={(f) => f.path} empty={<Empty title="No files" />}
          columns={[
            { key: 'path', title: 'File', wide: true, cell: (f) => <span className="mono">{f.path}</span>, by: (f) => f.path },
            { key: 'bucket', title: 'Bucket', num: true, cell: (f) => f.bucket, by: (f) => f.bucket },
            { key: 'level', title: 'Level', num: true, cell: (f) => f.level, by: (f) => f.level },
            { key: 'rows', title: 'Rows', num: true, cell: (f) => count(f.rows), by: (f) => f.rows },
            { key: 'del', title: 'Deletes', num: true, cell: (f) => (f.deletes ? count(f.deletes) : ''), by: (f) => f.deletes },
            { key: 'bytes', title: 'Size', num: true, cell: (f) => bytes(f.bytes), by: (f) => f.bytes },
            { key: 'at', title: 'Written', cell: (f) => <span title={utc(f.created_ms)}><Ago at={f.created_ms} now={now} /></span>, by: (f) => f.created_ms },
            { key: 'key', title: 'Keys', cell: (f) => <span className="mono">{keyOf(f.min_key)} … {keyOf(f.max_key)}</span> },
            { key: 'stats', title: 'Columns', cell: (f) => <Statistics file={f} /> },
          ]} />
      </Panel>
    )}</Await>
  )
}

function keyOf(k: readonly (string | null)[] | null | undefined): string {
  return (k ?? []).map((v) => v ?? 'NULL').join(', ') || '–'
}

function Statistics({ file }: { file: Schemas['File'] }) {
  const columns = file.columns ?? []
  if (columns.length === 0) return <span className="dim">none</span>
  return (
    <details>
      <summary className="nowrap">{columns.length} columns</summary>
      <dl className="facts mono">{columns.map((c) => [<dt key={c.name}>{c.name}</dt>, <dd key={`${c.name}-`}>{c.min ?? '–'} … {c.max ?? '–'}{c.nulls ? `, ${count(c.nulls)} NULL` : ''}</dd>])}</dl>
    </details>
  )
}
