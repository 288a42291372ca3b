// What a screen shows when it has nothing, not yet, or an error to show.
import type { ReactNode } from 'react'
import { advice, Problem } from '../api/problem'

/** An error: what happened, and what to do. */
export function ErrorBox({ error, what }: { error: unknown; what?: string }) {
  const text = error instanceof Error ? error.message : String(error)
  const todo = advice(error)
  const more = todo && !text.includes(todo) ? todo : ''
  const placed = error instanceof Problem && error.line > 0 // with the line and a mark below it
  return (
    <div className="problem" role="alert">
      <strong>{what ?? (error instanceof Problem && error.kind ? `Error (${error.kind})` : 'Error')}</strong>
      {'\n'}<span className={placed ? 'mono' : ''}>{text}</span>{more && `\n${more}`}
    </div>
  )
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return <div className="empty"><strong>{title}</strong>{children}</div>
}

export function Loading({ what }: { what: string }) {
  return <div className="loading" role="status">Loading {what} …</div>
}

interface Result<T> { data: T | undefined; error: unknown }

/** Shows the data of a query, or why there is none. Stale data stays visible under an error. */
export function Await<T>({ of, what, children }: { of: Result<T>; what: string; children: (data: T) => ReactNode }) {
  return (
    <>
      {of.error ? <ErrorBox error={of.error} what={`Cannot load ${what}`} /> : null}
      {of.data !== undefined ? children(of.data) : of.error ? null : <Loading what={what} />}
    </>
  )
}

export function NotFound() {
  return <div className="screen"><Empty title="There is no such page">Choose one from the navigation.</Empty></div>
}

/** An error of the console itself. */
export function Failure({ error, reset }: { error: unknown; reset?: () => void }) {
  return (
    <div className="screen">
      <ErrorBox error={error} what="This view failed" />
      <p>Reload the page. If it fails again, the newest version of the console may not fit an older service.{' '}
        {reset && <button type="button" onClick={reset}>Try again</button>}</p>
    </div>
  )
}
