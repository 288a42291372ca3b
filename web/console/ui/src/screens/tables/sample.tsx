import { Button, NativeSelect, TextInput } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { count, utc } from '../../lib/format'
import { Panel, useAddress } from '../../ui/parts'
import { RowTable } from '../../ui/rows'
import { Await } from '../../ui/states'

/** Some rows, of any version: ?snapshot=, ?tag= or ?timestamp=. */
export function Sample({ db, table, stored }: { db: string; table: string; stored: boolean }) {
  const [address, change] = useAddress()
  const path = { db, table }
  const limit = Number(address.limit) || 100
  const version = { snapshot: address.snapshot ? Number(address.snapshot) : undefined, tag: address.tag, timestamp: address.timestamp }
  const rows = useQuery({
    queryKey: ['sample', db, table, version, limit], placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => unwrap(client.GET('/v1/tables/{db}/{table}/sample', { signal, params: { path, query: { ...version, limit, bigint: 'string' } } })),
  })
  const snapshots = useQuery({
    queryKey: ['snapshots', db, table, 100], enabled: stored,
    queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/snapshots', { signal, params: { path, query: { limit: 100 } } }))).items,
  })
  const only = (next: { snapshot?: string; tag?: string; timestamp?: string }) => change({ snapshot: undefined, tag: undefined, timestamp: undefined, ...next })
  const choices = (snapshots.data ?? []).map((s) => ({ value: String(s.id), label: `${s.id} of ${utc(s.committed_ms)}` }))
  if (address.snapshot && !choices.some((c) => c.value === address.snapshot)) choices.push({ value: address.snapshot, label: address.snapshot })
  return (
    <>
      {stored && (
        <div className="filters">
          <NativeSelect label="Snapshot" data={[{ value: '', label: 'the newest' }, ...choices]} value={address.snapshot ?? ''} onChange={(e) => only({ snapshot: e.currentTarget.value || undefined })} />
          <TextInput label="or as of (UTC)" placeholder="2026-01-31 12:00:00" key={address.timestamp} defaultValue={address.timestamp ?? ''} onKeyDown={(e) => e.key === 'Enter' && only({ timestamp: e.currentTarget.value || undefined })} onBlur={(e) => e.currentTarget.value !== (address.timestamp ?? '') && only({ timestamp: e.currentTarget.value || undefined })} />
          {address.tag && <span>tag <strong className="mono">{address.tag}</strong></span>}
          {(address.snapshot || address.tag || address.timestamp) && <Button onClick={() => only({})}>Newest</Button>}
          <NativeSelect label="Rows" data={['20', '100', '1000']} value={String(limit)} onChange={(e) => change({ limit: e.currentTarget.value })} />
        </div>
      )}
      <Panel flush><Await of={rows} what="rows">{(a) => (
        <>
          <RowTable label="Rows" columns={a.columns ?? []} rows={(a.data ?? []) as Record<string, unknown>[]} />
          <div className="sql-cell dim" style={{ padding: '6px 12px' }}>{count(a.data?.length ?? 0)} rows{a.cut?.epoch ? ` at epoch ${count(a.cut.epoch)}` : ''}. Any rows, not the first or last ones; SQL can sort.</div>
        </>
      )}</Await></Panel>
    </>
  )
}
