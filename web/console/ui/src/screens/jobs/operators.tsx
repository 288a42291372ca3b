import { Link } from '@tanstack/react-router'
import type { Schemas } from '../../api/client'
import { bytes, count, percent, rate } from '../../lib/format'
import { Graph } from '../../ui/graph'
import { Bar, Panel } from '../../ui/parts'
import { Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'

type Job = Schemas['JobDetail']

/** The dataflow with what goes through each operator now. */
export function Operators({ job }: { job: Job }) {
  const ops = job.operators ?? []
  if (ops.length === 0) return <Panel><Empty title="The job does not run">Its operators are shown while it runs.</Empty></Panel>
  return (
    <>
      <Panel title="Dataflow" flush>
        <Graph label="Operators of the job" edges={job.graph.edges} nodes={job.graph.nodes.map((n) => {
          const o = ops[n.id]
          const table = n.kind === 'sink' ? job.sink : undefined
          return {
            ...n, className: n.kind === 'operator' ? (o && o.busy > 0.7 ? 'warn' : '') : 'accent',
            content: (
              <>
                <div className="name" title={n.name}>{table ? <TableOf name={table} /> : n.name}</div>
                {o && <>
                  <div className="line">{rate(o.rows_in_per_second)} in, {rate(o.rows_out_per_second)} out</div>
                  <div className="line">busy {percent(o.busy)}, state {bytes(o.state_bytes)}</div>
                  <div className="line">{o.watermark ? `to ${o.watermark.replace('T', ' ').replace('Z', '')}` : 'no event time'}</div>
                </>}
              </>
            ),
          }
        })} />
      </Panel>
      <Panel title="Operators" flush>
        <DataTable label="Operators" rows={ops.map((o, i) => ({ ...o, i }))} id={(o) => o.i}
          columns={[
            { key: 'name', title: 'Operator', cell: (o) => o.name, by: (o) => o.i },
            { key: 'ir', title: 'In a second', num: true, cell: (o) => rate(o.rows_in_per_second), by: (o) => o.rows_in_per_second },
            { key: 'or', title: 'Out a second', num: true, cell: (o) => rate(o.rows_out_per_second), by: (o) => o.rows_out_per_second },
            { key: 'in', title: 'Rows in', num: true, cell: (o) => count(o.rows_in), by: (o) => o.rows_in },
            { key: 'out', title: 'Rows out', num: true, cell: (o) => count(o.rows_out), by: (o) => o.rows_out },
            { key: 'busy', title: 'Busy', cell: (o) => <span className="rate"><Bar share={o.busy} label={`busy ${percent(o.busy)}`} />{percent(o.busy)}</span>, by: (o) => o.busy },
            { key: 'rows', title: 'State rows', num: true, cell: (o) => count(o.state_rows), by: (o) => o.state_rows },
            { key: 'bytes', title: 'State', num: true, cell: (o) => bytes(o.state_bytes), by: (o) => o.state_bytes },
            { key: 'mark', title: 'Watermark', cell: (o) => o.watermark?.replace('T', ' ').replace('Z', '') ?? '–', by: (o) => o.watermark },
          ]} />
      </Panel>
    </>
  )
}

function TableOf({ name }: { name: string }) {
  const [db = '', table = ''] = name.split('.')
  return <Link to="/tables/$db/$table" params={{ db, table }}>sink {name}</Link>
}
