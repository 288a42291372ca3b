import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { client, unwrap, type Schemas } from '../../api/client'
import { tableQuery, tablesQuery } from '../../api/queries'
import { count, many } from '../../lib/format'
import { tell } from '../../ui/action'
import { Head, Panel, Stat, Stats, TableLink, useAddress } from '../../ui/parts'
import { Empty, ErrorBox } from '../../ui/states'
import { DataTable } from '../../ui/table'

type Request = Schemas['Request']

/** A new revision: first what it would change, then the change. The table may come from the address (?table=). */
export function NewRevision() {
  const [address, change] = useAddress()
  const navigate = useNavigate()
  const tables = useQuery(tablesQuery)
  const choices = (tables.data ?? []).filter((t) => t.kind === 'table').map((t) => `${t.database}.${t.name}`)
  const table = address.table ?? ''
  const [db = '', name = ''] = table.split('.')
  const detail = useQuery({ ...tableQuery(db, name), enabled: !!name, refetchInterval: false })
  const [form, setForm] = useState({ from: address.from ?? '', to: address.to ?? '', column: '', sql: '', why: '' })
  const set = (key: keyof typeof form) => (e: { currentTarget: { value: string } }) => {
    setForm({ ...form, [key]: e.currentTarget.value })
    plan.reset()
  }
  const body: Request = { table, from: form.from, to: form.to, sql: form.sql, column: form.column || undefined, why: form.why || undefined }
  const plan = useMutation({ mutationFn: async () => unwrap(client.POST('/v1/revisions/plan', { body })) })
  const run = useMutation({
    mutationFn: async () => unwrap(client.POST('/v1/revisions', { body })),
    onSuccess: (r) => {
      tell('The revision has begun.')
      void navigate({ to: '/revisions/$id', params: { id: r.id } })
    },
  })
  const ready = table && form.from && form.to && form.sql.trim()
  const column = form.column || detail.data?.event_time?.column
  const example = name && `SELECT * FROM ${name}`
  return (
    <div className="screen">
      <Head title="New revision" crumb={<Link to="/revisions">Revisions</Link>} />
      <div className="note">The query sees the table restricted to the range and gives its rows as they should be. Rows of the range that it does not give are deleted. It is for tables that no job writes, and for tables that only take rows in from outside.</div>
      <Panel>
        <form className="form" onSubmit={(e) => { e.preventDefault(); plan.mutate() }}>
          <div className="row">
            <NativeSelect label="Table" required data={[{ value: '', label: 'choose a table' }, ...choices]} value={table} onChange={(e) => { plan.reset(); change({ table: e.currentTarget.value || undefined }) }} />
            <NativeSelect label="Column of the range" data={[{ value: '', label: detail.data?.event_time ? `${detail.data.event_time.column} (event time)` : 'event time' }, ...(detail.data?.columns ?? []).filter((c) => /^(TIMESTAMP|DATE)/.test(c.type)).map((c) => c.name)]} value={form.column} onChange={set('column')} />
            <TextInput label="From (UTC)" required placeholder="2013-07-01" value={form.from} onChange={set('from')} />
            <TextInput label="to, without it" required placeholder="2013-07-04" value={form.to} onChange={set('to')} />
          </div>
          <Textarea label="Corrected rows" description={column ? `One SELECT over ${name}, restricted to ${column} in the range` : 'One SELECT over the table by its own name'} required autosize={false} rows={8} spellCheck={false} placeholder={example} value={form.sql} onChange={set('sql')} />
          <TextInput label="Why" description="Stands in the ledger for those who ask later" value={form.why} onChange={set('why')} />
          <div className="row">
            <Button type="submit" loading={plan.isPending} disabled={!ready} variant={plan.data ? 'default' : 'filled'}>Dry run</Button>
            <Button variant="filled" color="red" loading={run.isPending} disabled={!plan.data || !ready} onClick={() => run.mutate()} title="After a dry run">Revise</Button>
            {!plan.data && <span className="dim">The dry run changes nothing; after it the rows can be revised.</span>}
          </div>
        </form>
      </Panel>
      {plan.error ? <ErrorBox error={plan.error} what="The dry run failed" /> : null}
      {run.error ? <ErrorBox error={run.error} what="The revision was refused" /> : null}
      {plan.data && <PlanView plan={plan.data} />}
    </div>
  )
}

function PlanView({ plan: p }: { plan: Schemas['Plan'] }) {
  return (
    <>
      <Stats>
        <Stat label="Would be added">{count(p.added)}</Stat>
        <Stat label="Would be removed">{count(p.removed)}</Stat>
        <Stat label="Would be changed">{count(p.changed)}</Stat>
        <Stat label="Rows of the range" sub={`${count(p.rows_after)} afterwards`}>{count(p.rows_before)}</Stat>
        <Stat label="Compared with" sub="snapshot">{count(p.base_snapshot)}</Stat>
      </Stats>
      <Panel title={`${many(p.downstream.length, 'table')} downstream could change`}>
        {p.downstream.length === 0 ? 'No table is made from it.' : p.downstream.map((t, i) => <span key={t}>{i > 0 && ', '}<TableLink name={t} /></span>)}
      </Panel>
      <Panel title="Some of the rows" flush>
        <DataTable label="Samples" rows={p.samples.map((s, i) => ({ ...s, i }))} id={(s) => s.i} empty={<Empty title="Nothing would change">The query gives the rows as they are.</Empty>}
          columns={[
            { key: 'kind', title: 'Kind', cell: (s) => <span className={s.kind === 'added' ? 'good' : s.kind === 'removed' ? 'bad' : 'warn'}>{s.kind}</span> },
            { key: 'before', title: 'Before', wide: true, cell: (s) => <span className="mono">{s.before ?? ''}</span> },
            { key: 'after', title: 'After', wide: true, cell: (s) => <span className="mono">{s.after ?? ''}</span> },
          ]} />
      </Panel>
    </>
  )
}
