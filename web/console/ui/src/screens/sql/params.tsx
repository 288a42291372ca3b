import { NativeSelect, TextInput } from '@mantine/core'
import type { ParamValue } from './store'

const types = [{ value: '', label: 'as it looks' }, 'STRING', 'BIGINT', 'DOUBLE', 'DECIMAL(38, 10)', 'DATE', 'TIMESTAMP(3)', 'BOOLEAN']

/** Values for ? and :name, shown when the text has such parameters. */
export function Params({ names, values, onChange }: {
  names: { positional: number; named: string[] }
  values: Record<string, ParamValue>
  onChange: (values: Record<string, ParamValue>) => void
}) {
  const keys = names.positional > 0 ? Array.from({ length: names.positional }, (_, i) => String(i + 1)) : names.named
  if (keys.length === 0) return <div />
  const set = (key: string, change: Partial<ParamValue>) => onChange({ ...values, [key]: { type: '', text: '', ...values[key], ...change } })
  return (
    <div className="sql-params" role="group" aria-label="Parameters">
      {keys.map((k) => {
        const label = names.positional > 0 ? `? ${k}` : `:${k}`
        return (
          <span key={k} style={{ display: 'flex', gap: 2, alignItems: 'end' }}>
            <TextInput label={label} w={130} value={values[k]?.text ?? ''} onChange={(e) => set(k, { text: e.currentTarget.value })} />
            <NativeSelect aria-label={`Type of ${label}`} w={110} data={types} value={values[k]?.type ?? ''} onChange={(e) => set(k, { type: e.currentTarget.value })} />
          </span>
        )
      })}
    </div>
  )
}
