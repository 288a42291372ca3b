import { Panel } from '../../ui/parts'
import { Empty } from '../../ui/states'
import { days, type RunSpan } from './grid'

const daysMax = 800

/** A square a day, a line a month: written, equal already, or not yet. */
export function Slices({ runs, open }: { runs: readonly RunSpan[]; open: (run: string) => void }) {
  const all = days(runs, daysMax)
  if (all.length === 0) return <Panel><Empty title="No day was computed yet" /></Panel>
  const months = new Map<string, typeof all>()
  for (const d of all) months.set(d.day.slice(0, 7), [...(months.get(d.day.slice(0, 7)) ?? []), d])
  return (
    <Panel title="Days and the newest run of each">
      <dl className="facts">
        {[...months].map(([m, list]) => [
          <dt key={m} className="mono">{m}</dt>,
          <dd key={`${m}-`}><div className="slices day">
            {list.map((d) => (
              <button key={d.day} type="button" className={`plain ${d.mark === 'w' ? 'w' : d.mark === '=' ? 'same' : ''}`} style={{ gridColumn: Number(d.day.slice(8)) }}
                title={`${d.day}: ${d.mark === 'w' ? 'written' : d.mark === '=' ? 'equal already' : 'to do'} (${d.state})`} aria-label={`${d.day}: ${d.mark === 'w' ? 'written' : d.mark === '=' ? 'equal already' : 'to do'}`} onClick={() => open(d.run)} />
            ))}
          </div></dd>,
        ])}
      </dl>
      <div className="legend" aria-hidden="true"><span className="slices"><i className="w" /></span>written<span className="slices"><i className="same" /></span>equal already, nothing written<span className="slices"><i /></span>to do</div>
    </Panel>
  )
}
