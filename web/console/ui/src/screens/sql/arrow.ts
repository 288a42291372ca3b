// Rows of an Arrow stream as the grid, the chart and the clipboard want them.
import { tableFromIPC, Type, type DataType } from '@uwdata/flechette'

export interface ResultColumn {
  name: string
  /** As people call it, such as BIGINT or TIMESTAMP. */
  type: string
  /** Numbers stand at the right. */
  numeric: boolean
  /** The values are moments. */
  time: boolean
  /** The value as text, null when it is NULL. */
  text: (row: number) => string | null
  /** The value as a number for charts (moments: Unix seconds), null when there is none. */
  number: (row: number) => number | null
}

export interface Rows {
  columns: ResultColumn[]
  count: number
  /** The stream itself. */
  bytes: Uint8Array
}

export function readRows(bytes: Uint8Array): Rows {
  const table = tableFromIPC(bytes, { useBigInt: true, useDecimalInt: true })
  const columns = table.schema.fields.map((f, i) => {
    const values = table.getChildAt(i)
    return column(f.name, f.type, (row) => values.at(row))
  })
  return { columns, count: table.numRows, bytes }
}

function column(name: string, type: DataType, at: (row: number) => unknown): ResultColumn {
  const text = (row: number) => {
    const v = at(row)
    return v === null || v === undefined ? null : textOf(v, type)
  }
  const time = type.typeId === Type.Timestamp || type.typeId === Type.Date
  const numeric = type.typeId === Type.Int || type.typeId === Type.Float || type.typeId === Type.Decimal
  const number = (row: number) => {
    const v = at(row)
    if (v === null || v === undefined) return null
    if (time) return Number(v) / 1000
    const n = Number(type.typeId === Type.Decimal ? textOf(v, type) : v)
    return Number.isFinite(n) ? n : null
  }
  return { name, type: typeName(type), numeric, time, text, number }
}

/** A value as the service's JSON has it. */
export function textOf(v: unknown, type: DataType): string {
  switch (type.typeId) {
    case Type.Timestamp: {
      const digits = [0, 3, 6, 9][type.unit] ?? 3
      return moment(Number(v), digits) + (type.timezone ? 'Z' : '')
    }
    case Type.Date: return new Date(Number(v)).toISOString().slice(0, 10)
    case Type.Time: return clock(Number(v), type.unit)
    case Type.Decimal: return scaled(v as bigint | number, type.scale)
    case Type.Float: return Object.is(v, -0) ? '-0' : String(v)
    default: return typeof v === 'object' ? nested(v) : String(v)
  }
}

/** Milliseconds, with a fraction for finer units, as yyyy-MM-dd HH:mm:ss.SSS. */
function moment(ms: number, digits: number): string {
  const whole = Math.floor(ms)
  const base = new Date(whole).toISOString().replace('T', ' ').slice(0, 19)
  if (digits === 0) return base
  const milli = String(((whole % 1000) + 1000) % 1000).padStart(3, '0')
  const rest = String(Math.round((ms - whole) * 1e6)).padStart(6, '0')
  return `${base}.${(milli + rest).slice(0, digits)}`
}

const perSecond = [1, 1e3, 1e6, 1e9]

function clock(v: number, unit: number): string {
  const ms = (v / (perSecond[unit] ?? 1e3)) * 1000
  return new Date(ms).toISOString().slice(11, unit === 0 ? 19 : 23)
}

function scaled(v: bigint | number, scale: number): string {
  const n = BigInt(v)
  const digits = (n < 0n ? -n : n).toString().padStart(scale + 1, '0')
  const sign = n < 0n ? '-' : ''
  return scale > 0 ? `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}` : sign + digits
}

function nested(v: object | null): string {
  if (v instanceof Uint8Array) return btoa(String.fromCharCode(...v))
  return JSON.stringify(v, (_, x: unknown) => {
    if (typeof x === 'bigint') return Number.isSafeInteger(Number(x)) ? Number(x) : String(x)
    if (x instanceof Map) return Object.fromEntries(x as Map<string, unknown>)
    return ArrayBuffer.isView(x) ? Array.from(x as unknown as ArrayLike<number>) : x
  })
}

function typeName(t: DataType): string {
  switch (t.typeId) {
    case Type.Int: return { 8: 'TINYINT', 16: 'SMALLINT', 32: 'INT', 64: 'BIGINT' }[t.bitWidth]
    case Type.Float: return t.precision === 1 ? 'FLOAT' : 'DOUBLE'
    case Type.Decimal: return `DECIMAL(${t.precision}, ${t.scale})`
    case Type.Timestamp: return `TIMESTAMP${t.timezone ? '_LTZ' : ''}(${[0, 3, 6, 9][t.unit]})`
    case Type.Date: return 'DATE'
    case Type.Time: return 'TIME'
    case Type.Bool: return 'BOOLEAN'
    case Type.Utf8: case Type.LargeUtf8: return 'STRING'
    case Type.Binary: case Type.LargeBinary: case Type.FixedSizeBinary: return 'BYTES'
    case Type.List: case Type.LargeList: case Type.FixedSizeList: return 'ARRAY'
    case Type.Map: return 'MAP'
    case Type.Struct: return 'ROW'
    case Type.Null: return 'NULL'
    default: return 'OTHER'
  }
}
