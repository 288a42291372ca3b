// The one way to the service: the public REST interface through a client made from its contract.
import createClient from 'openapi-fetch'
import { Problem, problemOf } from './problem'
import type { components, paths } from './schema.gen'
import { signOut, token } from './session'

export type Schemas = components['schemas']

/** Where the console is served, with a slash at the end: "/" or a proxy's path. */
export const basePath = new URL('.', document.baseURI).pathname

const root = basePath.replace(/\/$/, '')

async function withToken(request: Request): Promise<Response> {
  const used = token()
  if (used) request.headers.set('Authorization', `Bearer ${used}`)
  const r = await fetch(request)
  if (r.status === 401 && used && used === token()) {
    signOut('The token is not valid any more: it was revoked, has expired, or belongs to another service.')
  }
  return r
}

export const client = createClient<paths>({ baseUrl: root, fetch: withToken })

/** A request that the generated client cannot express: streams and downloads. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const r = await withToken(new Request(root + path, init))
  if (!r.ok) throw await problemOf(r)
  return r
}

/** The answer of a call of the client, or its problem thrown. */
export async function unwrap<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (error !== undefined || !response.ok) {
    throw new Problem(response.status, typeof error === 'object' && error !== null ? error : { detail: String(error ?? '') })
  }
  return data as T
}
