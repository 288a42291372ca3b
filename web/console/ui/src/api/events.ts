// Server-sent events over fetch: EventSource cannot send the Authorization header.
import { useEffect, useSyncExternalStore } from 'react'
import { request } from './client'
import { token } from './session'

/** Splits a stream of server-sent events. Feed it text as it comes; it gives the data of whole events. */
export function eventParser(): (chunk: string) => { event: string; data: string }[] {
  let held = ''
  return (chunk) => {
    held += chunk
    const parts = held.split(/\r?\n\r?\n/)
    held = parts.pop() ?? ''
    return parts.flatMap((part) => {
      let event = 'message'
      const data: string[] = []
      for (const line of part.split(/\r?\n/)) {
        if (line.startsWith('event:')) event = line.slice(6).trim()
        else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
      }
      return data.length > 0 ? [{ event, data: data.join('\n') }] : []
    })
  }
}

/** One job's figures in an event; the contract calls the stream text, so its shape stands here. */
export interface JobCounters {
  id: string
  name: string
  sink: string
  state: string
  error?: string
  epoch: number
  pending: number
  rows_in: number
  rows_out: number
  rows_per_second: number
  last_commit_ms?: number
  state_bytes: number
  dead_letters: number
  late_rows: number
}

export interface LiveJobs {
  /** Newest counters by job id. */
  jobs: ReadonlyMap<string, JobCounters>
  /** Rows a second of the last samples, oldest first, by job id. */
  rates: ReadonlyMap<string, readonly number[]>
  connected: boolean
}

const samplesMax = 120 // two minutes at an event a second
const pauseMs = [500, 1000, 2000, 5000] // between attempts to connect; the last one repeats

let state: LiveJobs = { jobs: new Map(), rates: new Map(), connected: false }
const listeners = new Set<() => void>()
let stop: AbortController | undefined

function set(next: Partial<LiveJobs>) {
  state = { ...state, ...next }
  for (const f of listeners) f()
}

function take(list: JobCounters[]) {
  const rates = new Map<string, readonly number[]>()
  for (const j of list) {
    rates.set(j.id, [...(state.rates.get(j.id) ?? []), j.rows_per_second].slice(-samplesMax))
  }
  set({ jobs: new Map(list.map((j) => [j.id, j])), rates, connected: true })
}

async function follow(signal: AbortSignal) {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const r = await request('/v1/jobs/events', { signal, headers: { Accept: 'text/event-stream' } })
      const parse = eventParser()
      const decoder = new TextDecoder()
      for await (const chunk of r.body ?? []) {
        for (const e of parse(decoder.decode(chunk, { stream: true }))) {
          if (e.event === 'jobs') take(JSON.parse(e.data) as JobCounters[])
          attempt = 0
        }
      }
    } catch {
      // shown as "not live"; the lists that are polled say what is wrong
    }
    if (signal.aborted) return
    set({ connected: false })
    await new Promise((done) => setTimeout(done, pauseMs[Math.min(attempt, pauseMs.length - 1)]))
  }
}

/** The live counters of all jobs. All users share one connection, open while somebody looks. */
export function useLiveJobs(): LiveJobs {
  useEffect(() => {
    if (!token()) return
    users++
    if (users === 1) {
      stop = new AbortController()
      void follow(stop.signal)
    }
    return () => {
      users--
      if (users === 0) stop?.abort()
    }
  }, [])
  return useSyncExternalStore((f) => {
    listeners.add(f)
    return () => listeners.delete(f)
  }, () => state)
}

let users = 0
