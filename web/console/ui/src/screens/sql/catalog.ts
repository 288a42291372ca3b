// What the editor completes: names of the catalog and functions, as the service knows them.
import { queryOptions } from '@tanstack/react-query'
import { client, unwrap, type Schemas } from '../../api/client'

export type Catalog = Schemas['Completion']
export type CatalogTable = Schemas['CompletionTable']

export const catalogQuery = queryOptions({
  queryKey: ['catalog'],
  staleTime: 30_000,
  queryFn: async ({ signal }): Promise<Catalog> => unwrap(client.GET('/v1/catalog/completion', { signal })),
})
