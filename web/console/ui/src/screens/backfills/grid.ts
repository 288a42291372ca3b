// What the runs of a backfill say about each day: the newest run that covered it decides.

export interface RunSpan {
  id: string
  from: string
  to: string
  state: string
  /** One character a slice: . to do, w written, = equal already. */
  progress: string
  created: string
}

export interface Day {
  /** yyyy-MM-dd, UTC. */
  day: string
  mark: string
  run: string
  state: string
}

const dayMs = 86_400_000

/** The days that runs covered, oldest first; at most the newest ones. */
export function days(runs: readonly RunSpan[], most: number): Day[] {
  const out = new Map<string, Day>()
  for (const r of [...runs].sort((a, b) => Date.parse(a.created) - Date.parse(b.created))) {
    const from = Date.parse(r.from)
    const to = Date.parse(r.to)
    const length = Math.max(1, r.progress.length)
    for (let t = Math.floor(from / dayMs) * dayMs; t < to; t += dayMs) {
      const place = Math.floor(((Math.max(t, from) - from) / Math.max(1, to - from)) * length)
      const day = new Date(t).toISOString().slice(0, 10)
      const mark = r.progress[Math.min(length - 1, place)] ?? '.'
      if (mark === '.' && out.get(day) && r.state !== 'running' && r.state !== 'queued') continue // an attempt that did not get there decides nothing
      out.set(day, { day, mark, run: r.id, state: r.state })
    }
  }
  return [...out.values()].sort((a, b) => a.day.localeCompare(b.day)).slice(-most)
}
