// What the editor completes: names of the catalog and functions, as the service knows them.
import { queryOptions } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'

export interface CatalogColumn { name: string; type: string }
export interface CatalogTable { database: string; name: string; kind: string; columns?: CatalogColumn[] }
export interface CatalogFunction { name: string; signature: string; doc: string }
export interface Catalog { tables: CatalogTable[]; functions: CatalogFunction[]; keywords: string[] }

export const catalogQuery = queryOptions({
  queryKey: ['catalog'],
  staleTime: 30_000,
  queryFn: async ({ signal }): Promise<Catalog> => {
    const { items } = await unwrap(client.GET('/v1/tables', { signal }))
    const tables = await Promise.all(items.map(async (t) => {
      const detail = await unwrap(client.GET('/v1/tables/{db}/{table}', { signal, params: { path: { db: t.database, table: t.name } } }))
      return { database: t.database, name: t.name, kind: t.kind, columns: detail.columns }
    }))
    return { tables, functions: [], keywords: [] }
  },
})
