// Figures as people read them: grouped, with units, never rounded to zero.

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

/** A count: 1,234,567. */
export function count(n: number | undefined | null): string {
  return n === undefined || n === null ? '–' : grouped.format(n)
}

/** A count of things: 1 epoch, 12 epochs. */
export function many(n: number | undefined | null, thing: string): string {
  return `${count(n)} ${thing}${n === 1 ? '' : 's'}`
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Bytes in powers of 1024: 12.3 MiB. */
export function bytes(n: number | undefined | null): string {
  if (n === undefined || n === null) return '–'
  let unit = 0
  while (Math.abs(n) >= 1024 && unit < byteUnits.length - 1) {
    n /= 1024
    unit++
  }
  return `${n >= 100 || unit === 0 ? grouped.format(n) : short.format(n)} ${byteUnits[unit]}`
}

/** A length of time from milliseconds: 340 ms, 12.4 s, 3 min 5 s, 2 h 10 min, 4 d 3 h. */
export function duration(ms: number | undefined | null): string {
  if (ms === undefined || ms === null || !Number.isFinite(ms)) return '–'
  const sign = ms < 0 ? '−' : ''
  ms = Math.abs(ms)
  if (ms < 1) return ms === 0 ? '0 ms' : `${sign}${(ms * 1000).toFixed(0)} µs`
  if (ms < 1000) return `${sign}${Math.round(ms)} ms`
  const s = ms / 1000
  if (s < 60) return `${sign}${s < 10 ? s.toFixed(1) : Math.round(s)} s`
  const whole = Math.round(s)
  if (whole < 3600) return `${sign}${two(Math.floor(whole / 60), 'min', whole % 60, 's')}`
  if (whole < 86400) return `${sign}${two(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min')}`
  return `${sign}${two(Math.floor(whole / 86400), 'd', Math.floor((whole % 86400) / 3600), 'h')}`
}

function two(a: number, unitA: string, b: number, unitB: string): string {
  return b === 0 ? `${a} ${unitA}` : `${a} ${unitA} ${b} ${unitB}`
}

/** A rate: 1,240/s, 0.4/s. */
export function rate(n: number | undefined | null): string {
  if (n === undefined || n === null) return '–'
  return `${n !== 0 && Math.abs(n) < 100 ? short.format(n) : grouped.format(n)}/s`
}

/** A share from 0 to 1: 12 %. */
export function percent(n: number | undefined | null): string {
  if (n === undefined || n === null || !Number.isFinite(n)) return '–'
  const p = n * 100
  return `${p > 0 && p < 1 ? '<1' : Math.round(p)} %`
}

/** A moment as the service writes it: 2026-01-31 12:00:00.000, in UTC. */
export function utc(ms: number | string | undefined | null): string {
  if (ms === undefined || ms === null || ms === '') return '–'
  const d = new Date(ms)
  return Number.isNaN(d.getTime()) ? String(ms) : d.toISOString().replace('T', ' ').replace(/(\.000)?Z$/, '')
}

/** How long ago: 3.4 s ago; in 2 h. */
export function ago(ms: number | string | undefined | null, now: number): string {
  if (ms === undefined || ms === null || ms === '') return '–'
  const t = typeof ms === 'number' ? ms : Date.parse(ms)
  if (Number.isNaN(t)) return String(ms)
  const gone = now - t
  if (Math.abs(gone) < 1000) return 'now'
  return gone >= 0 ? `${duration(gone)} ago` : `in ${duration(-gone)}`
}
