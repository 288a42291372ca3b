// Who is signed in, in this browser tab. The token lives in the tab's session storage and nowhere else.
import { useSyncExternalStore } from 'react'

const key = 'weir.token'
const listeners = new Set<() => void>()
let reason = ''

/** The token of this tab, empty when nobody is signed in. */
export function token(): string {
  return sessionStorage.getItem(key) ?? ''
}

export function signIn(value: string): void {
  sessionStorage.setItem(key, value)
  reason = ''
  tell()
}

/** Forgets the token; why is shown on the sign-in page. */
export function signOut(why = ''): void {
  sessionStorage.removeItem(key)
  reason = why
  tell()
}

/** Why the last session ended, for the sign-in page. */
export function signedOutBecause(): string {
  return reason
}

/** Calls f whenever somebody signs in or out; the answer ends that. */
export function onSession(f: () => void): () => void {
  listeners.add(f)
  return () => listeners.delete(f)
}

export function useToken(): string {
  return useSyncExternalStore(onSession, token)
}

function tell() {
  for (const f of listeners) f()
}

/** Takes #token=.. out of the address: the link that the service prints signs in and leaves no trace in the history. */
export function takeTokenFromAddress(): void {
  const m = /^#token=([\w.~-]+)$/.exec(location.hash)
  if (!m?.[1]) return
  signIn(m[1])
  history.replaceState(history.state, '', location.pathname + location.search)
}
