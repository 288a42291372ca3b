import { Checkbox, NativeSelect } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { client, unwrap, type Schemas } from '../../api/client'
import { every, jobsQuery } from '../../api/queries'
import { count, many } from '../../lib/format'
import { Action } from '../../ui/action'
import { Head, Panel, TableLink, useAddress } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

type Letter = Schemas['DeadLetter']

const listed = 1000

/** Rows that jobs could not decode; ?job= for those of one. */
export function DeadLetters() {
  const [address, change] = useAddress()
  const jobs = useQuery(jobsQuery)
  return (
    <div className="screen">
      <Head title="Dead letters" />
      <div className="filters">
        <NativeSelect label="Job" data={[{ value: '', label: 'every job' }, ...(jobs.data ?? []).map((j) => ({ value: j.id, label: `${j.name}${j.dead_letters > 0 ? ` (${count(j.dead_letters)})` : ''}` }))]}
          value={address.job ?? ''} onChange={(e) => change({ job: e.currentTarget.value || undefined })} />
      </div>
      <Letters job={address.job} />
    </div>
  )
}

/** The list, with what was wrong in each, and the way to take them once more. */
export function Letters({ job }: { job: string | undefined }) {
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set())
  const [kept, setKept] = useState<Schemas['Replayed']['kept']>([])
  const q = useQuery({
    queryKey: ['dead-letters', job], refetchInterval: every.list,
    queryFn: async ({ signal }) => unwrap(client.GET('/v1/dead-letters', { signal, params: { query: { job, limit: listed } } })),
  })
  const replay = async (body: Schemas['NewReplay']) => {
    const r = await unwrap(client.POST('/v1/dead-letters/replay', { body }))
    choose(new Set())
    setKept(r.kept)
    return `${many(r.letters, 'dead letter')} went through and gave ${many(r.rows, 'row')}${r.kept && r.kept.length > 0 ? `; kept: ${many(r.kept.length, 'dead letter')}` : ''}.`
  }
  const toggle = (id: string) => choose((old) => {
    const next = new Set(old)
    if (!next.delete(id)) next.add(id)
    return next
  })
  return (
    <Await of={q} what="dead letters">{(d) => {
      const items = d.items ?? []
      return (
        <>
          {kept && kept.length > 0 && (
            <div className="problem" role="alert"><strong>{many(kept.length, 'row')} still cannot be taken</strong>{kept.slice(0, 10).map((k) => `\n${k.id}: ${k.reason}`).join('')}</div>
          )}
          <Panel flush title={`${count(items.length)}${d.more ? ' of more' : ''} rows that could not be decoded`} right={items.length > 0 && <>
            <Action disabled={chosen.size === 0} run={() => replay({ job, ids: [...chosen] })}>Replay chosen</Action>
            <Action confirm="They are read as their source is defined now. What can be taken goes through its job in an epoch of its own; the rest stays." run={() => replay({ job, all: true })}>Replay all</Action>
          </>}>
            <DataTable label="Dead letters" rows={items} id={(l) => l.id} empty={<Empty title="No dead letters">Every row could be decoded.</Empty>}
              columns={[
                { key: 'choose', title: 'Choose', cell: (l) => <Checkbox aria-label={`Choose ${l.position} of ${l.split}`} checked={chosen.has(l.id)} onChange={() => toggle(l.id)} /> },
                { key: 'table', title: 'Table', cell: (l) => <TableLink name={l.table} />, by: (l) => l.table },
                { key: 'job', title: 'Job', cell: (l) => <Link to="/jobs" search={{ find: l.job }}>{l.job}</Link>, by: (l) => l.job },
                { key: 'reason', title: 'Reason', wide: true, cell: (l) => l.reason, by: (l) => l.reason },
                { key: 'where', title: 'From', wide: true, cell: (l) => <span className="mono">{l.split} {l.position}</span>, by: (l) => `${l.split} ${l.position}` },
                { key: 'raw', title: 'Row', wide: true, cell: (l) => <Raw of={l} /> },
                { key: 'epoch', title: 'Epoch', num: true, cell: (l) => count(l.epoch), by: (l) => l.epoch },
              ]} />
          </Panel>
        </>
      )
    }}</Await>
  )
}

const rawChars = 400

function Raw({ of: l }: { of: Letter }) {
  if (l.raw_base64) return <span className="mono dim">{l.raw_base64.slice(0, 60)} … (no text, base64)</span>
  return <span className="mono">{l.raw.length > rawChars ? `${l.raw.slice(0, rawChars)} …` : l.raw}</span>
}
