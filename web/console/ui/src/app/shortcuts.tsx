import { Modal } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { places } from './nav'

const chordMs = 1200 // how long g waits for its second key

function typing(e: KeyboardEvent): boolean {
  const t = e.target
  return t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName))
}

/** Keys that work everywhere, and the list of them behind ?. */
export function Shortcuts({ open, onOpen }: { open: boolean; onOpen: (open: boolean) => void }) {
  const navigate = useNavigate()
  const [pending] = useState({ at: 0 })
  useEffect(() => {
    const down = (e: KeyboardEvent) => {
      if (typing(e) || e.ctrlKey || e.metaKey || e.altKey) return
      if (e.key === '?') {
        onOpen(true)
      } else if (e.key === '/') {
        const field = document.querySelector<HTMLElement>('[data-filter]')
        if (!field) return
        field.focus()
      } else if (e.key === 'g') {
        pending.at = Date.now()
        return
      } else if (Date.now() - pending.at < chordMs) {
        const place = places.find((p) => p.key === e.key)
        pending.at = 0
        if (!place) return
        void navigate({ to: place.to })
      } else {
        return
      }
      e.preventDefault()
    }
    document.addEventListener('keydown', down)
    return () => document.removeEventListener('keydown', down)
  }, [navigate, onOpen, pending])
  return (
    <Modal opened={open} onClose={() => onOpen(false)} title="Keyboard" closeButtonProps={{ 'aria-label': 'Close' }}>
      <dl className="facts">
        {places.map((p) => [<dt key={p.to}><kbd>g</kbd> <kbd>{p.key}</kbd></dt>, <dd key={`${p.to}-`}>{p.label}</dd>])}
        <dt><kbd>/</kbd></dt><dd>To the filter of a list</dd>
        <dt><kbd>Ctrl</kbd> <kbd>Enter</kbd></dt><dd>SQL: run the selection, or the statement at the cursor</dd>
        <dt><kbd>Ctrl</kbd> <kbd>Shift</kbd> <kbd>Enter</kbd></dt><dd>SQL: run all statements one after the other</dd>
        <dt><kbd>Ctrl</kbd> <kbd>Space</kbd></dt><dd>SQL: complete</dd>
        <dt><kbd>Esc</kbd></dt><dd>SQL: leave the editor, so that Tab goes on; close a dialogue</dd>
        <dt><kbd>?</kbd></dt><dd>This list</dd>
      </dl>
    </Modal>
  )
}
