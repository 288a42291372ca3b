// What screens ask for, by name, so that the same answer is shared between them.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import { client, unwrap } from './client'

/** How often views that change by themselves are asked for, in milliseconds. */
export const every = { live: 2000, list: 5000, slow: 15000 } as const

export const tablesQuery = queryOptions({
  queryKey: ['tables'],
  queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tables', { signal }))).items,
  refetchInterval: every.list,
})

export const jobsQuery = queryOptions({
  queryKey: ['jobs'],
  queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/jobs', { signal }))).items,
  refetchInterval: every.list,
})

export const jobQuery = (id: string) => queryOptions({
  queryKey: ['job', id],
  queryFn: async ({ signal }) => unwrap(client.GET('/v1/jobs/{id}', { signal, params: { path: { id } } })),
  refetchInterval: every.live,
})

export const queryStates = ['queued', 'running', 'done', 'failed', 'canceled'] as const

interface QueryFilter { state?: (typeof queryStates)[number]; search?: string }

const queriesPage = 200

/** Queries that run or wait, and the history behind them, page by page. */
export const queriesQuery = (filter: QueryFilter) => infiniteQueryOptions({
  queryKey: ['queries', filter], initialPageParam: undefined as number | undefined, refetchInterval: every.live, placeholderData: keepPreviousData,
  queryFn: async ({ signal, pageParam }) => (await unwrap(client.GET('/v1/queries', { signal, params: { query: { ...filter, before_ms: pageParam, limit: queriesPage } } }))).items,
  getNextPageParam: (last) => {
    const ended = last.at(-1)?.ended_at
    return last.length === queriesPage && ended ? Date.parse(ended) : undefined
  },
})

export const tableQuery = (db: string, table: string) => queryOptions({
  queryKey: ['table', db, table],
  queryFn: async ({ signal }) => unwrap(client.GET('/v1/tables/{db}/{table}', { signal, params: { path: { db, table } } })),
  refetchInterval: every.list,
})

export const summaryQuery = queryOptions({
  queryKey: ['summary'],
  queryFn: async ({ signal }) => unwrap(client.GET('/v1/health/summary', { signal })),
  refetchInterval: every.live,
})

const ranks = ['reader', 'writer', 'operator', 'admin'] as const
export type Role = (typeof ranks)[number]

/** Whether a role includes another. Before the service has said who calls, nothing is held back: it decides anyway. */
export function includes(has: Role | undefined, needs: Role): boolean {
  return has === undefined || ranks.indexOf(has) >= ranks.indexOf(needs)
}

export const meQuery = queryOptions({
  queryKey: ['me'], staleTime: 60_000,
  queryFn: async ({ signal }) => unwrap(client.GET('/v1/me', { signal })),
})
