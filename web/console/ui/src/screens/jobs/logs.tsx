import { NativeSelect, TextInput } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { every } from '../../api/queries'
import { utc } from '../../lib/format'
import { Panel, useAddress } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'

const levels = ['', 'info', 'warn', 'error'] as const

/** The newest lines of a job's log. */
export function Logs({ id }: { id: string }) {
  const [address, change] = useAddress()
  const search = address.search || undefined
  const level = levels.find((l) => l === address.level) || undefined
  const logs = useQuery({
    queryKey: ['logs', id, search, level], refetchInterval: every.live, placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/jobs/{id}/logs', { signal, params: { path: { id }, query: { search, level } } }))).items,
  })
  return (
    <>
      <div className="filters">
        <TextInput data-filter aria-label="Search the log" placeholder="Search the log" value={address.search ?? ''} onChange={(e) => change({ search: e.currentTarget.value || undefined })} />
        <NativeSelect aria-label="Level" data={[{ value: '', label: 'every level' }, ...levels.slice(1).map((l) => ({ value: l, label: `${l} and above` }))]} value={level ?? ''} onChange={(e) => change({ level: e.currentTarget.value || undefined })} />
      </div>
      <Panel flush>
        <Await of={logs} what="the log">{(lines) => lines.length === 0
          ? <Empty title={search || level ? 'No line fits' : 'The log is empty'} />
          : (
            <div className="log" tabIndex={0} role="log" aria-label="Log">
              {lines.map((l, i) => (
                <div key={i}><span className="dim">{utc(l.time)}</span> <span className={/err/i.test(l.level) ? 'bad' : /warn/i.test(l.level) ? 'warn' : 'dim'}>{l.level.padEnd(5)}</span> {l.text}</div>
              ))}
            </div>
          )}</Await>
      </Panel>
    </>
  )
}
