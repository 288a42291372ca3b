import { TextInput } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { queriesQuery } from '../../api/queries'
import { count, duration } from '../../lib/format'
import { Ago, State, useAddress, useNow } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

/** Statements that ran; a click opens one in a tab. */
export function History({ onOpen }: { onOpen: (sql: string) => void }) {
  const now = useNow()
  const [address, change] = useAddress()
  const q = useInfiniteQuery(queriesQuery({ search: address.find }))
  return (
    <Await of={{ data: q.data?.pages.flat(), error: q.error }} what="the history">{(list) => (
      <>
        <TextInput m={8} w={280} data-filter placeholder="Find a statement" aria-label="Find a statement" value={address.find ?? ''} onChange={(e) => change({ find: e.currentTarget.value || undefined })} />
        <DataTable label="History" sortAs="hsort" rows={list} id={(x) => x.id}
          empty={<Empty title="No statement ran yet" />}
          columns={[
            { key: 'at', title: 'When', cell: (x) => <Ago at={x.queued_at} now={now} />, by: (x) => x.queued_at },
            { key: 'state', title: 'State', cell: (x) => <State of={x.state} /> },
            { key: 'sql', title: 'Statement', wide: true, cell: (x) => <a href="#" onClick={(e) => { e.preventDefault(); onOpen(x.sql) }} className="mono">{x.sql.length > 300 ? `${x.sql.slice(0, 300)} …` : x.sql}</a> },
            { key: 'rows', title: 'Rows', num: true, cell: (x) => count(x.rows), by: (x) => x.rows },
            { key: 'ms', title: 'Took', num: true, cell: (x) => duration(took(x)), by: took },
          ]} />
      </>
    )}</Await>
  )
}

export function took(x: { started_at?: string; ended_at?: string }): number | undefined {
  return x.started_at && x.ended_at ? Date.parse(x.ended_at) - Date.parse(x.started_at) : undefined
}
