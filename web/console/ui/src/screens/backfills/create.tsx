import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { client, unwrap } from '../../api/client'
import { tell } from '../../ui/action'
import { Head, Panel } from '../../ui/parts'
import { ErrorBox } from '../../ui/states'

const example = `INSERT OVERWRITE daily (SELECT DATE_FORMAT(at_time, 'yyyy-MM-dd') AS dt, COUNT(*) AS n
FROM orders WHERE at_time >= \${start} AND at_time < \${end} GROUP BY DATE_FORMAT(at_time, 'yyyy-MM-dd'))`

export function NewBackfill() {
  const navigate = useNavigate()
  const [form, setForm] = useState({ name: '', sql: '', cron: '', timezone: 'UTC', clock: '', catch_up: 'last', slice: '', priority: 'low' })
  const set = (key: keyof typeof form) => (e: { currentTarget: { value: string } }) => setForm({ ...form, [key]: e.currentTarget.value })
  const m = useMutation({
    mutationFn: async () => unwrap(client.POST('/v1/backfills', {
      body: {
        name: form.name, sql: form.sql, cron: form.cron || undefined, timezone: form.timezone || undefined, clock: form.clock || undefined, slice: form.slice || undefined,
        catch_up: form.catch_up as 'last', priority: form.priority as 'low',
      },
    })),
    onSuccess: (b) => {
      tell(`${b.name} is made.`)
      void navigate({ to: '/backfills/$name', params: { name: b.name } })
    },
  })
  return (
    <div className="screen">
      <Head title="New backfill" crumb={<Link to="/backfills">Backfills</Link>} />
      <div className="note">The statement overwrites the partitions of a range; <code>{'${start}'}</code> and <code>{'${end}'}</code> are its ends as UTC timestamps. Nothing is written where a partition is equal already.</div>
      <Panel>
        <form className="form" onSubmit={(e) => { e.preventDefault(); m.mutate() }}>
          <div className="row">
            <TextInput label="Name" required value={form.name} onChange={set('name')} />
            <TextInput label="Cron line" description="minute hour day month weekday; empty: by hand" placeholder="0 3 * * *" value={form.cron} onChange={set('cron')} />
            <TextInput label="Time zone" description="as in the IANA database" value={form.timezone} onChange={set('timezone')} />
            <TextInput label="Clock" description="wall, or watermark:TABLE" placeholder="wall" value={form.clock} onChange={set('clock')} />
          </div>
          <div className="row">
            <NativeSelect label="Missed ticks" data={[{ value: 'last', label: 'run the last one' }, { value: 'all', label: 'run all' }, { value: 'none', label: 'run none' }]} value={form.catch_up} onChange={set('catch_up')} />
            <TextInput label="Slice" placeholder="one partition" value={form.slice} onChange={set('slice')} />
            <NativeSelect label="Priority" data={[{ value: 'low', label: 'below live jobs' }, 'normal']} value={form.priority} onChange={set('priority')} />
          </div>
          <Textarea label="Statement" required rows={9} spellCheck={false} placeholder={example} value={form.sql} onChange={set('sql')} />
          {m.error ? <ErrorBox error={m.error} what="The backfill was refused" /> : null}
          <div className="row"><Button type="submit" variant="filled" loading={m.isPending} disabled={!form.name || !form.sql}>Create</Button></div>
        </form>
      </Panel>
    </div>
  )
}
