// What screens ask for, by name, so that the same answer is shared between them.
import { queryOptions } from '@tanstack/react-query'
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

export const queriesQuery = queryOptions({
  queryKey: ['queries'],
  queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/queries', { signal }))).items,
  refetchInterval: every.live,
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

export const meQuery = queryOptions({
  queryKey: ['me'], staleTime: 60_000,
  queryFn: async ({ signal }) => unwrap(client.GET('/v1/me', { signal })),
})
