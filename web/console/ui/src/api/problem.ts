// Errors of the service, as RFC 9457 problems.
import type { components } from './schema.gen'

type Body = components['schemas']['Problem']

/** What went wrong, with what the service said about it. */
export class Problem extends Error {
  readonly status: number
  readonly kind: string
  readonly hint: string
  readonly line: number
  readonly column: number

  constructor(status: number, body: Partial<Body> & { errors?: { message?: string; location?: string }[] | null }) {
    const details = (body.errors ?? []).map((e) => [e.location, e.message].filter(Boolean).join(': '))
    super([body.detail || body.title || `The service answered with status ${status}.`, ...details].join('\n'))
    this.name = 'Problem'
    this.status = status
    this.kind = body.kind ?? ''
    this.hint = body.hint ?? ''
    this.line = body.line ?? 0
    this.column = body.column ?? 0
  }
}

/** The problem of an answer that is no success; its body may be anything. */
export async function problemOf(r: Response): Promise<Problem> {
  const text = await r.text()
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return new Problem(r.status, body as Partial<Body>)
  } catch {
    // not JSON: a proxy between us and the service may have answered
  }
  return new Problem(r.status, { detail: text.slice(0, 500) })
}

/** A sentence that tells people what to do next, if there is one. */
export function advice(err: unknown): string {
  if (err instanceof Problem) {
    if (err.hint) return err.hint
    switch (err.status) {
      case 403: return 'Your role does not allow this. Ask an administrator for a token with a higher role.'
      case 404: return 'It may have been dropped or renamed. Go back to the list to see what there is.'
      case 429: return 'A limit of the service was reached. Wait a moment, or cancel a running query.'
      case 503: return 'The service cannot do this now, or has no such role. It is asked again.'
    }
    return ''
  }
  if (err instanceof TypeError) return 'The service did not answer. Is it running? The page asks again by itself.'
  return ''
}
