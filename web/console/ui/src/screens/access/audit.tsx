import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { every } from '../../api/queries'
import { duration, utc } from '../../lib/format'
import { Head, Panel, State, useAddress } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

const outcomes = ['ok', 'denied', 'refused', 'failed'] as const
const pageSize = 200

/** Who did what: changes and statements, newest first. */
export function Audit() {
  const [address, change] = useAddress()
  const outcome = outcomes.find((o) => o === address.outcome)
  const filter = { user: address.user, operation: address.operation, outcome, search: address.search, from: address.from, to: address.to }
  const q = useInfiniteQuery({
    queryKey: ['audit', filter], initialPageParam: undefined as number | undefined, refetchInterval: every.list,
    queryFn: async ({ signal, pageParam }) => (await unwrap(client.GET('/v1/audit', { signal, params: { query: { ...filter, before: pageParam, limit: pageSize } } }))).items,
    getNextPageParam: (last) => (last.length === pageSize ? last.at(-1)?.id : undefined),
  })
  const field = (key: 'user' | 'operation' | 'search' | 'from' | 'to', label: string, placeholder = '') => (
    <TextInput label={label} placeholder={placeholder} data-filter={key === 'search' ? true : undefined} key={key} defaultValue={address[key] ?? ''} w={key === 'search' ? 220 : 150}
      onKeyDown={(e) => e.key === 'Enter' && change({ [key]: e.currentTarget.value || undefined })} onBlur={(e) => e.currentTarget.value !== (address[key] ?? '') && change({ [key]: e.currentTarget.value || undefined })} />
  )
  return (
    <div className="screen">
      <Head title="Audit" />
      <div className="filters">
        {field('search', 'Statement or path has')}{field('user', 'By')}{field('operation', 'Operation', 'query')}
        <NativeSelect label="Outcome" data={[{ value: '', label: 'every' }, ...outcomes]} value={outcome ?? ''} onChange={(e) => change({ outcome: e.currentTarget.value || undefined })} />
        {field('from', 'From (UTC)', '2026-01-31 10:00:00')}{field('to', 'to')}
      </div>
      <Panel flush><Await of={{ data: q.data?.pages.flat(), error: q.error }} what="the audit">{(list) => (
        <>
          <DataTable label="Audit" rows={list} id={(e) => e.id} empty={<Empty title="Nothing fits">Reading is not recorded, only changes and statements.</Empty>}
            columns={[
              { key: 'at', title: 'When (UTC)', cell: (e) => <span className="nowrap">{utc(e.at)}</span> },
              { key: 'user', title: 'By', cell: (e) => <>{e.user}{e.role && <span className="dim"> {e.role}</span>}</>, by: (e) => e.user },
              { key: 'operation', title: 'Operation', cell: (e) => e.operation, by: (e) => e.operation },
              { key: 'outcome', title: 'Outcome', cell: (e) => <><State of={e.outcome} /> <span className="dim">{e.status}</span></>, by: (e) => e.outcome },
              { key: 'what', title: 'What', wide: true, cell: (e) => <><span className="mono">{e.statement || `${e.method} ${e.path}`}</span>{e.error && <div className="bad">{e.error}</div>}</> },
              { key: 'ms', title: 'Took', num: true, cell: (e) => duration(e.ms), by: (e) => e.ms },
              { key: 'remote', title: 'From', cell: (e) => e.remote ?? '' },
            ]} />
          {q.hasNextPage && <div className="empty"><Button loading={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>Older ones</Button></div>}
        </>
      )}</Await></Panel>
    </div>
  )
}
