import { useQuery } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { every } from '../../api/queries'
import { bytes, count, many } from '../../lib/format'
import { Action } from '../../ui/action'
import { Bar, Panel, Stat, Stats } from '../../ui/parts'
import { Await } from '../../ui/states'

/** How well the files lie, and the work that puts them right. */
export function Upkeep({ db, table }: { db: string; table: string }) {
  const params = { path: { db, table } }
  const q = useQuery({ queryKey: ['score', db, table], refetchInterval: every.slow, queryFn: async ({ signal }) => unwrap(client.GET('/v1/tables/{db}/{table}/score', { signal, params })) })
  return (
    <Await of={q} what="the score">{(s) => (
      <>
        <Panel title="How the files lie" right={<>
          <Action run={async () => {
            const r = await unwrap(client.POST('/v1/tables/{db}/{table}/compact', { params, body: { full: false } }))
            return r.snapshots === 0 ? 'Nothing was due to be compacted.' : `${many(r.files_removed, 'file')} became ${count(r.files_added)}; ${bytes(r.bytes_read)} were read.`
          }}>Compact</Action>
          <Action confirm="Every bucket is rewritten into one sorted run. It reads and writes the whole table." run={async () => {
            const r = await unwrap(client.POST('/v1/tables/{db}/{table}/compact', { params, body: { full: true } }))
            return `${many(r.files_removed, 'file')} became ${count(r.files_added)}; ${bytes(r.bytes_read)} were read.`
          }}>Compact all</Action>
          <Action confirm="Snapshots older than the table's options keep them are removed, with the files that nothing else needs. Tags, branches, jobs and running queries keep theirs." run={async () => {
            const r = await unwrap(client.POST('/v1/tables/{db}/{table}/expire', { params, body: { dry_run: false } }))
            return `${many(r.snapshots, 'snapshot')} and ${many(r.data_files, 'data file')} were removed.${r.held_by ? ` The rest is held by ${r.held_by}.` : ''}`
          }}>Expire</Action>
        </>}>
          <p style={{ marginTop: 0 }}>{s.sentence}</p>
          <Bar share={s.score / 100} label={`score ${s.score} of 100`} />
        </Panel>
        <Stats>
          <Stat label="Score" sub="of 100">{count(s.score)}</Stat>
          <Stat label="Files" sub={`${count(s.small_files)} small, ${bytes(s.small_bytes)}`}>{count(s.files)}</Stat>
          <Stat label="Size">{bytes(s.bytes)}</Stat>
          <Stat label="Sorted runs" sub={`compacted from ${count(s.run_trigger)}, writers wait from ${count(s.run_stop)}`}>{count(s.sorted_runs)}</Stat>
          <Stat label="Compactions due" sub={`${bytes(s.compaction_bytes)} to read`}>{count(s.compactions_due)}</Stat>
          <Stat label="Rows" sub={`${count(s.delete_rows)} remove others`}>{count(s.rows)}</Stat>
        </Stats>
      </>
    )}</Await>
  )
}
