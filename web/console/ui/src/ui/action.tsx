// Doing something: a button, a question before what cannot be taken back, and what came of it.
import { Button, CloseButton, Modal, type ButtonProps } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, useSyncExternalStore, type ReactNode } from 'react'
import { includes, meQuery, type Role } from '../api/queries'
import { ErrorBox } from './states'

interface Note { id: number; text: string; error?: unknown }

const shownMs = 6000
const notesMax = 4
let notes: readonly Note[] = []
let nextId = 1
const listeners = new Set<() => void>()

function setNotes(next: readonly Note[]) {
  notes = next
  for (const f of listeners) f()
}

/** Tells in the corner what was done. Errors stay until they are closed. */
export function tell(text: string, error?: unknown): void {
  const note = { id: nextId++, text, error }
  setNotes([...notes, note].slice(-notesMax))
  if (error === undefined) setTimeout(() => setNotes(notes.filter((n) => n !== note)), shownMs)
}

export function Notes() {
  const list = useSyncExternalStore((f) => {
    listeners.add(f)
    return () => listeners.delete(f)
  }, () => notes)
  return (
    <div className="notes" role="status" aria-live="polite">
      {list.map((n) => (
        <div key={n.id} className="note-card">
          <div>{n.error !== undefined ? <ErrorBox error={n.error} what={n.text} /> : n.text}</div>
          <CloseButton size="sm" aria-label="Close" onClick={() => setNotes(notes.filter((x) => x !== n))} />
        </div>
      ))}
    </div>
  )
}

interface ActionProps extends ButtonProps {
  /** Does it, and says what came of it. */
  run: () => Promise<string>
  children: string
  /** Asked before; without it the button acts at once. */
  confirm?: ReactNode
  title?: string
  /** The least role that may do it. */
  needs?: Role
}

/** A button that does something on the service. Everything shown is asked for again afterwards. */
export function Action({ run, children, confirm, needs = 'operator', ...rest }: ActionProps) {
  const me = useQuery(meQuery)
  const may = includes(me.data?.role, needs)
  const queries = useQueryClient()
  const [asking, ask] = useState(false)
  const m = useMutation({
    mutationFn: run,
    onSuccess: (text) => tell(text),
    onError: (err) => tell(`${children} failed`, err),
    onSettled: () => {
      ask(false)
      void queries.invalidateQueries()
    },
  })
  return (
    <>
      <Button {...rest} disabled={rest.disabled || !may} title={may ? rest.title : `This needs the role ${needs}.`} loading={m.isPending} onClick={() => (confirm ? ask(true) : m.mutate())}>{children}</Button>
      {confirm && (
        <Modal opened={asking} onClose={() => ask(false)} title={`${children}?`} closeButtonProps={{ 'aria-label': 'Close' }}>
          <p style={{ marginTop: 0 }}>{confirm}</p>
          <div style={{ display: 'flex', gap: 8, justifyContent: 'flex-end' }}>
            <Button onClick={() => ask(false)}>Leave it</Button>
            <Button variant="filled" loading={m.isPending} onClick={() => m.mutate()} data-autofocus>{children}</Button>
          </div>
        </Modal>
      )}
    </>
  )
}
