import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { Schemas } from '../../api/client'
import { tableQuery } from '../../api/queries'
import { bytes, count, duration, many, utc } from '../../lib/format'
import { Ago, Head, JobLink, Panel, Stat, State, Stats, Tabs, Tag, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { Diff } from './diff'
import { Buckets, Files, Partitions } from './layout'
import { Sample } from './sample'
import { Upkeep } from './upkeep'
import { Snapshots, Tags } from './versions'

export type Table = Schemas['TableDetail']

/** One table, in the state that ?snapshot= or ?tag= says, else its newest. */
export function TableView() {
  const { db, table } = useParams({ from: '/tables/$db/$table' })
  const q = useQuery(tableQuery(db, table))
  const [address] = useAddress()
  const tab = address.tab ?? 'schema'
  return (
    <div className="screen">
      {!q.data && <Head title={db === 'default' ? table : `${db}.${table}`} crumb="Tables" />}
      <Await of={q} what={`table ${db}.${table}`}>{(t) => {
        const stored = t.kind === 'table' || t.kind === 'materialized' || (t.kind === 'system' && !!t.snapshot)
        const tabs: [string, string][] = [['schema', 'Schema'], ['sample', 'Rows'],
          ...(stored ? [['snapshots', 'Snapshots'], ['tags', 'Tags and branches'], ['partitions', 'Partitions'], ['buckets', 'Buckets and levels'], ['files', 'Files'], ['diff', 'Difference'], ['upkeep', 'Upkeep']] as [string, string][] : [])]
        return (
          <>
            <Head title={db === 'default' ? table : `${db}.${table}`} crumb="Tables">
              <Tag>{t.kind}</Tag>
              <Link to="/sql" search={{ sql: `SELECT * FROM ${db === 'default' ? '' : `${db}.`}${table} LIMIT 100`, run: '1' }}>Query</Link>
            </Head>
            {t.error && <div className="problem" role="alert">{t.error}</div>}
            {t.comment && <p className="dim">{t.comment}</p>}
            <Figures table={t} stored={stored} />
            <Tabs active={tab} tabs={tabs} />
            {tab === 'schema' && <Schema table={t} />}
            {tab === 'sample' && <Sample db={db} table={table} stored={stored} />}
            {tab === 'snapshots' && <Snapshots db={db} table={table} />}
            {tab === 'tags' && <Tags db={db} table={table} />}
            {tab === 'partitions' && <Partitions db={db} table={table} keys={t.partition_keys} />}
            {tab === 'buckets' && <Buckets db={db} table={table} />}
            {tab === 'files' && <Files db={db} table={table} />}
            {tab === 'diff' && <Diff db={db} table={table} />}
            {tab === 'upkeep' && <Upkeep db={db} table={table} />}
          </>
        )
      }}</Await>
    </div>
  )
}

function Figures({ table: t, stored }: { table: Table; stored: boolean }) {
  const now = useNow()
  if (!stored) return null
  return (
    <Stats>
      <Stat label="Rows" sub="before merging keys">{count(t.rows)}</Stat>
      <Stat label="Size" sub={many(t.files, 'file')}>{bytes(t.bytes)}</Stat>
      <Stat label="Snapshot" sub={t.epoch ? `epoch ${count(t.epoch)}` : undefined}>{count(t.snapshot)}</Stat>
      <Stat label="Newest commit" sub={utc(t.committed_ms)}><Ago at={t.committed_ms} now={now} /></Stat>
      <Stat label="Behind its inputs" sub={t.held_by ? `held back by ${t.held_by}` : undefined}>{t.freshness_ms === undefined ? '–' : duration(t.freshness_ms)}</Stat>
      <Stat label="Event time" sub="watermark, UTC"><span style={{ fontSize: 14 }}>{utc(t.watermark)}</span></Stat>
      <Stat label="Written by" sub={t.job && <State of={t.job.state} />}><span style={{ fontSize: 13 }}>{t.job ? <JobLink {...t.job} /> : 'no job'}</span></Stat>
    </Stats>
  )
}

function Schema({ table: t }: { table: Table }) {
  const role = (name: string) => [t.primary_key.includes(name) && 'key', t.partition_keys.includes(name) && 'partition', t.event_time?.column === name && 'event time'].filter(Boolean).join(', ')
  return (
    <>
      <Panel flush title={many(t.columns.length, 'column')}>
        <DataTable label="Columns" rows={t.columns} id={(c) => c.name} sortAs="csort"
          columns={[
            { key: 'name', title: 'Column', cell: (c) => <span className="mono">{c.name}</span>, by: (c) => c.name },
            { key: 'type', title: 'Type', cell: (c) => <span className="mono">{c.type}</span>, by: (c) => c.type },
            { key: 'null', title: 'NULL', cell: (c) => (c.nullable ? 'may be' : 'never') },
            { key: 'role', title: 'Role', cell: (c) => role(c.name) },
            { key: 'made', title: 'Computed', cell: (c) => <span className="mono">{c.computed ?? c.metadata ?? ''}</span> },
            { key: 'comment', title: 'Comment', wide: true, cell: (c) => c.comment ?? '' },
          ]} />
      </Panel>
      <div className="cols">
        <Panel title="Definition"><pre className="code" tabIndex={0}>{t.ddl}</pre></Panel>
        <div>
          {t.query && <Panel title="Query that keeps it"><pre className="code" tabIndex={0}>{t.query}</pre></Panel>}
          <Panel title="Facts">
            <dl className="facts">
              <dt>Primary key</dt><dd>{t.primary_key.join(', ') || 'none: rows are appended'}</dd>
              <dt>Partitioned by</dt><dd>{t.partition_keys.join(', ') || 'nothing'}</dd>
              {t.event_time && <><dt>Event time</dt><dd className="mono">{t.event_time.column} AS {t.event_time.expression}</dd></>}
              <dt>Read by</dt><dd>{(t.readers ?? []).length === 0 ? 'no job' : (t.readers ?? []).map((r, i) => <span key={r.id}>{i > 0 && ', '}<JobLink {...r} /></span>)}</dd>
              {Object.entries(t.options ?? {}).filter(([k]) => !k.startsWith('weir.query')).map(([k, v]) => [<dt key={k} className="mono">{k}</dt>, <dd key={`${k}-`} className="mono">{v}</dd>])}
            </dl>
          </Panel>
          <Panel title="History of the schema" flush>
            <DataTable label="History of the schema" rows={t.history} id={(h) => h.schema_id} sortAs="vsort" empty={<Empty title="No history" />}
              columns={[
                { key: 'id', title: 'Version', num: true, cell: (h) => h.schema_id },
                { key: 'at', title: 'Since (UTC)', cell: (h) => utc(h.changed_ms) },
                { key: 'n', title: 'Columns', num: true, cell: (h) => h.columns },
                { key: 'what', title: 'Changed', wide: true, cell: (h) => h.changes.join('; ') || 'made' },
              ]} />
          </Panel>
        </div>
      </div>
    </>
  )
}
