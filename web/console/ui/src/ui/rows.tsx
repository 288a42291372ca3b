// Rows that came as JSON: small numbers of them, such as samples and differences.
import { count } from '../lib/format'
import { Empty } from './states'

interface Props {
  label: string
  columns: readonly { name: string; type: string }[]
  rows: readonly Record<string, unknown>[]
}

const numeric = /^(TINYINT|SMALLINT|INT|BIGINT|FLOAT|DOUBLE|DECIMAL)/
const kinds: Record<string, string> = { '+I': 'added', '-D': 'removed', '-U': 'before', '+U': 'after' }

export function RowTable({ label, columns, rows }: Props) {
  if (rows.length === 0) return <Empty title="No rows" />
  const withKind = rows.some((r) => typeof r._kind === 'string')
  return (
    <div className="scroll" style={{ maxHeight: 620 }} tabIndex={0} role="region" aria-label={label}>
      <table className="data" aria-label={label}>
        <thead><tr>{withKind && <th scope="col">Change</th>}{columns.map((c) => <th key={c.name} scope="col" title={c.type} className={numeric.test(c.type) ? 'num' : ''}>{c.name}</th>)}</tr></thead>
        <tbody>
          {rows.map((r, i) => (
            <tr key={i}>
              {withKind && <td className={`nowrap ${String(r._kind).startsWith('+') ? 'good' : 'bad'}`}>{String(r._kind)} {kinds[String(r._kind)] ?? ''}</td>}
              {columns.map((c) => <td key={c.name} className={`nowrap ${numeric.test(c.type) ? 'num' : ''}`}>{text(r[c.name])}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      <div className="skip">{count(rows.length)} rows</div>
    </div>
  )
}

function text(v: unknown) {
  if (v === null || v === undefined) return <span className="dim">NULL</span>
  return typeof v === 'object' ? JSON.stringify(v) : String(v)
}
