import { Checkbox, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { tablesQuery } from '../../api/queries'
import { bytes, count, duration } from '../../lib/format'
import { Ago, Head, JobLink, Panel, State, TableLink, Tag, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** All tables of the catalog. */
export function Tables() {
  const tables = useQuery(tablesQuery)
  const now = useNow()
  const [address, change] = useAddress()
  const wanted = (address.find ?? '').toLowerCase()
  const storedOnly = address.stored === '1'
  const all = tables.data ?? []
  const rows = all.filter((t) => `${t.database}.${t.name}`.toLowerCase().includes(wanted) && (!storedOnly || t.kind === 'table' || t.kind === 'materialized'))
  return (
    <div className="screen">
      <Head title="Tables" />
      <div className="filters">
        <TextInput data-filter aria-label="Find a table" placeholder="Find a table" value={address.find ?? ''} onChange={(e) => change({ find: e.currentTarget.value || undefined })} />
        <Checkbox label="only what is stored here" checked={storedOnly} onChange={(e) => change({ stored: e.currentTarget.checked ? '1' : undefined })} />
        <span className="dim">{count(rows.length)} of {count(all.length)}</span>
      </div>
      <Await of={tables} what="tables">{(list) => (
        <Panel flush>
          <DataTable label="Tables" rows={rows} id={(t) => `${t.database}.${t.name}`} sort="name"
            empty={list.length === 0 ? <Empty title="No tables yet">Make one with <code>CREATE TABLE</code> in the <Link to="/sql">SQL workbench</Link>.</Empty> : <Empty title="No table fits the filter" />}
            columns={[
              { key: 'name', title: 'Table', cell: (t) => <><TableLink name={`${t.database}.${t.name}`} />{t.error && <div className="bad">{t.error}</div>}</>, by: (t) => `${t.database === 'default' ? '' : t.database}.${t.name}` },
              { key: 'kind', title: 'Kind', cell: (t) => <Tag>{t.kind}</Tag>, by: (t) => t.kind },
              { key: 'rows', title: 'Rows', num: true, cell: (t) => (t.snapshot ? count(t.rows) : ''), by: (t) => t.rows },
              { key: 'bytes', title: 'Size', num: true, cell: (t) => (t.snapshot ? bytes(t.bytes) : ''), by: (t) => t.bytes },
              { key: 'files', title: 'Files', num: true, cell: (t) => (t.snapshot ? count(t.files) : ''), by: (t) => t.files },
              { key: 'snapshot', title: 'Snapshot', num: true, cell: (t) => (t.snapshot ? count(t.snapshot) : ''), by: (t) => t.snapshot },
              { key: 'commit', title: 'Newest commit', cell: (t) => <Ago at={t.committed_ms} now={now} />, by: (t) => t.committed_ms },
              { key: 'fresh', title: 'Behind', num: true, cell: (t) => (t.freshness_ms === undefined ? '' : duration(t.freshness_ms)), by: (t) => t.freshness_ms },
              { key: 'job', title: 'Written by', cell: (t) => t.job ? <span className="nowrap"><JobLink {...t.job} /> <State of={t.job.state} /></span> : '' },
              { key: 'comment', title: 'Comment', wide: true, cell: (t) => t.comment ?? '' },
            ]} />
        </Panel>
      )}</Await>
    </div>
  )
}
