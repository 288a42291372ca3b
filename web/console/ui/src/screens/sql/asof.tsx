import { Button, NativeSelect, Popover } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { client, unwrap } from '../../api/client'
import { tablesQuery } from '../../api/queries'
import { count, utc } from '../../lib/format'
import { Await, Empty } from '../../ui/states'

/** Picks a version of a table and puts AS OF into the text, to stand behind the table's name. */
export function AsOf({ text, onInsert }: { text: string; onInsert: (text: string) => void }) {
  const [open, setOpen] = useState(false)
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" width={400} trapFocus>
      <Popover.Target><Button onClick={() => setOpen(!open)} aria-expanded={open}>As of …</Button></Popover.Target>
      <Popover.Dropdown>{open && <Picker text={text} onInsert={(t) => { setOpen(false); onInsert(t) }} />}</Popover.Dropdown>
    </Popover>
  )
}

function Picker({ text, onInsert }: { text: string; onInsert: (text: string) => void }) {
  const tables = useQuery(tablesQuery)
  const words = new Set(text.match(/\w+/g))
  const stored = (tables.data ?? []).filter((t) => t.kind !== 'connector')
  const inText = stored.filter((t) => words.has(t.name))
  const list = inText.length > 0 ? inText : stored
  const [chosen, choose] = useState('')
  const [kind, setKind] = useState('snapshot')
  const name = list.some((t) => `${t.database}.${t.name}` === chosen) ? chosen : list[0] ? `${list[0].database}.${list[0].name}` : ''
  const [db = '', table = ''] = name.split('.')
  const snapshots = useQuery({
    queryKey: ['snapshots', db, table, 100], enabled: !!table,
    queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables/{db}/{table}/snapshots', { signal, params: { path: { db, table }, query: { limit: 100 } } }))).items,
  })
  return (
    <div style={{ display: 'grid', gap: 8 }}>
      <p className="dim" style={{ margin: 0 }}>Put the cursor behind the table&apos;s name, then choose a version of it.</p>
      <NativeSelect label="Table" data={list.map((t) => `${t.database}.${t.name}`)} value={name} onChange={(e) => choose(e.currentTarget.value)} />
      <NativeSelect label="Named by" data={[{ value: 'snapshot', label: 'snapshot' }, { value: 'timestamp', label: 'time of the commit' }]} value={kind} onChange={(e) => setKind(e.currentTarget.value)} />
      <div style={{ maxHeight: 260, overflow: 'auto' }}>
        {table && <Await of={snapshots} what={`snapshots of ${name}`}>{(items) => items.length === 0
          ? <Empty title="No snapshots yet" />
          : items.map((s) => (
            <Button key={s.id} variant="subtle" fullWidth justify="space-between" onClick={() => onInsert(kind === 'snapshot' ? ` AS OF SNAPSHOT ${s.id}` : ` FOR SYSTEM_TIME AS OF TIMESTAMP '${utc(s.committed_ms)}'`)}
              rightSection={<span className="dim">{count(s.rows)} rows</span>}>#{s.id} · {utc(s.committed_ms)}</Button>
          ))}</Await>}
      </div>
    </div>
  )
}
