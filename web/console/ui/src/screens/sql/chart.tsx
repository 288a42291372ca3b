import 'uplot/dist/uPlot.min.css'
import { NativeSelect, SegmentedControl } from '@mantine/core'
import { useEffect, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import { count } from '../../lib/format'
import { useAddress } from '../../ui/parts'
import { Empty } from '../../ui/states'
import type { Rows } from './arrow'
import { guess, series, type Choice } from './chartdata'

const palette = ['var(--accent)', 'var(--warn)', 'var(--good)', 'var(--bad)', '#8a6fd1', '#c2578f', '#4f86d9', '#8f8f2e']

/** The rows as a chart. What is drawn stands in the address: ?x=, ?y=, ?by=, ?kind=. */
export default function Chart({ rows }: { rows: Rows }) {
  const [address, change] = useAddress()
  const first = useMemo(() => guess(rows), [rows])
  const choice: Choice = { x: named(rows, address.x) ?? first.x, y: named(rows, address.y) ?? first.y, by: address.by === '-' ? undefined : named(rows, address.by) ?? first.by, kind: address.kind ?? first.kind }
  if (rows.count === 0 || choice.y === undefined || choice.x === undefined) return <Empty title="Nothing to draw">A chart needs rows and a numeric column.</Empty>
  const names = rows.columns.map((c) => c.name)
  const numbers = rows.columns.filter((c) => c.numeric).map((c) => c.name)
  return (
    <div className="sql-chart">
      <div style={{ display: 'flex', gap: 8, flexWrap: 'wrap', alignItems: 'end' }}>
        <NativeSelect label="Across" data={names} value={names[choice.x]} onChange={(e) => change({ x: e.currentTarget.value })} />
        <NativeSelect label="Up" data={numbers} value={names[choice.y]} onChange={(e) => change({ y: e.currentTarget.value })} />
        <NativeSelect label="A line for each" data={[{ value: '-', label: '–' }, ...names]} value={choice.by === undefined ? '-' : names[choice.by]} onChange={(e) => change({ by: e.currentTarget.value })} />
        <SegmentedControl aria-label="Kind of chart" data={['line', 'bars', 'points']} value={choice.kind} onChange={(kind) => change({ kind })} />
      </div>
      <Plot rows={rows} choice={choice} />
    </div>
  )
}

function named(rows: Rows, name: string | undefined): number | undefined {
  const i = rows.columns.findIndex((c) => c.name === name)
  return i < 0 ? undefined : i
}

function Plot({ rows, choice }: { rows: Rows; choice: Choice }) {
  const place = useRef<HTMLDivElement>(null)
  const { x, y, by, kind } = choice
  const data = useMemo(() => series(rows, { x, y, by, kind }), [rows, x, y, by, kind])
  useEffect(() => {
    const el = place.current
    if (!el) return
    const css = getComputedStyle(document.documentElement)
    const colour = (v: string) => (v.startsWith('var(') ? css.getPropertyValue(v.slice(4, -1)).trim() : v)
    const axis = { stroke: colour('var(--dim)'), grid: { stroke: colour('var(--line)'), width: 1 }, ticks: { stroke: colour('var(--line)') }, font: '11px system-ui' }
    const plot = new uPlot({
      width: el.clientWidth, height: Math.max(120, el.clientHeight - 36),
      scales: { x: { time: data.time, range: data.labels ? () => [-0.6, data.labels!.length - 0.4] : undefined } },
      axes: [
        data.labels ? { ...axis, splits: () => data.labels!.map((_, i) => i), values: (_, at) => thin(at, data.labels!) } : axis,
        { ...axis, size: 70, values: (_, at) => at.map((v) => (Math.abs(v) >= 1000 ? count(v) : String(v))) },
      ],
      series: [
        { label: data.xName, value: data.labels ? (_, v) => data.labels![v] ?? '' : undefined },
        ...data.lines.map((l, i) => {
          const stroke = colour(palette[i % palette.length]!)
          return {
            label: l.name, stroke, width: kind === 'line' ? 1.5 : 0, spanGaps: true,
            fill: kind === 'bars' ? stroke : undefined, points: { show: kind === 'points' || (kind === 'line' && data.at.length < 60), size: 5, fill: stroke, stroke },
            paths: kind === 'bars' ? uPlot.paths.bars!({ size: [0.7, 60] }) : kind === 'points' ? () => null : undefined,
          }
        }),
      ],
    }, [data.at, ...data.lines.map((l) => l.values)] as uPlot.AlignedData, el)
    const watch = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: Math.max(120, el.clientHeight - 36) }))
    watch.observe(el)
    return () => {
      watch.disconnect()
      plot.destroy()
    }
  }, [data, kind])
  return (
    <>
      {data.note && <div className="dim">{data.note}</div>}
      <div ref={place} className="sql-plot" role="img" aria-label={`${data.lines.map((l) => l.name).join(', ')} by ${data.xName}`} />
    </>
  )
}

/** At most some labels, so that they can be read. */
function thin(at: number[], labels: string[]): string[] {
  const step = Math.ceil(labels.length / 24)
  return at.map((i) => (i % step === 0 ? labels[i] ?? '' : ''))
}
