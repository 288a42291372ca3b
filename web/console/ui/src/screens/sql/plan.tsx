import { Button, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { client, unwrap, type Schemas } from '../../api/client'
import { Graph } from '../../ui/graph'
import { TableLink, Tag } from '../../ui/parts'
import { Await } from '../../ui/states'

const tones: Record<string, string> = { stateless: 'good', delta: 'accent', 'affected keys': 'warn', full: 'bad' }

const meaning: Record<string, string> = {
  stateless: 'keeps nothing', delta: 'recomputes what changed', 'affected keys': 'recomputes the touched keys', full: 'recomputes everything',
}

/** What a statement does, as a graph: of every operator what a change costs as a stream. */
export default function Plan({ sql, params }: { sql: string; params: Schemas['QueryRequest']['params'] }) {
  const [mode, setMode] = useState<'auto' | 'batch' | 'streaming'>('auto')
  const [text, setText] = useState(false)
  const body = { sql: sql.replace(/^\s*explain\s+(changelog_mode\s+)?(plan\s+for\s+)?/i, ''), mode, params }
  const q = useQuery({ queryKey: ['explain', body], queryFn: async ({ signal }) => unwrap(client.POST('/v1/explain', { signal, body })) })
  return (
    <div style={{ padding: 10 }}>
      <div className="filters">
        <SegmentedControl aria-label="How it would run" data={[{ value: 'auto', label: 'as it would run' }, { value: 'batch', label: 'once' }, { value: 'streaming', label: 'as a stream' }]} value={mode} onChange={(v) => setMode(v as typeof mode)} />
        <Button aria-pressed={text} onClick={() => setText(!text)}>{text ? 'Graph' : 'Text'}</Button>
        {q.data && <span>runs {q.data.mode === 'batch' ? 'once' : 'as a stream'} in <strong>{q.data.engine}</strong>; costliest class <Tag>{q.data.class}</Tag></span>}
      </div>
      <Await of={q} what="the plan">{(p) => text
        ? <pre className="code" tabIndex={0}>{p.text}</pre>
        : (
          <Graph label="Plan" edges={p.edges} nodes={p.nodes.map((n) => ({
            ...n, className: tones[n.class] ?? '',
            content: (
              <>
                <div className="name" title={n.detail}>{n.operator}{n.table && <> <TableLink name={n.table} /></>}</div>
                <div className="line" title={meaning[n.class]}>{n.class}: {meaning[n.class]}</div>
                <div className="line" title={n.cost}>{n.cost ?? ''}</div>
                <div className="line" title={n.columns.map((c) => `${c.name} ${c.type}`).join('\n')}>{n.columns.length} columns: {n.columns.map((c) => c.name).join(', ')}</div>
              </>
            ),
          }))} />
        )}</Await>
    </div>
  )
}
