import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion, type Completion, type CompletionSource } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab, toggleComment } from '@codemirror/commands'
import { SQLDialect, sql, type SQLNamespace } from '@codemirror/lang-sql'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint'
import { Compartment, EditorState, Prec } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'
import type { Catalog } from './catalog'
import { flinkKeywords, flinkTypes } from './dialect'

export interface EditorHandle {
  /** The text and the selection; both ends are equal when nothing is selected. */
  selection: () => { text: string; from: number; to: number }
  /** Puts text in place of the selection and moves the focus there. */
  insert: (text: string) => void
}

export interface Mark { from: number; to: number; message: string }

interface Props {
  text: string
  onText: (text: string) => void
  catalog: Catalog | undefined
  mark: Mark | undefined
  onRun: (all: boolean) => void
  handle: (h: EditorHandle | null) => void
}

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent)', fontWeight: '600' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--dim)', fontStyle: 'italic' },
  { tag: tags.typeName, color: 'var(--warn)' },
])

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '13px', backgroundColor: 'var(--panel)', color: 'var(--fg)' },
  '&.cm-focused': { outline: 'none' },
  '&.cm-focused .cm-content': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-gutters': { backgroundColor: 'var(--panel)', color: 'var(--dim)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--raised) 55%, transparent)' },
  '.cm-cursor': { borderLeftColor: 'var(--fg)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent) !important' },
  '.cm-tooltip': { backgroundColor: 'var(--panel)', color: 'var(--fg)', border: '1px solid var(--line)', borderRadius: '6px' },
  '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--fg)' },
  '.cm-completionDetail': { color: 'var(--dim)', fontStyle: 'normal', marginLeft: '10px' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--bad)', whiteSpace: 'pre-wrap' },
  '.cm-placeholder': { color: 'var(--dim)' },
})

const language = new Compartment()

/** The SQL text. Esc leaves it, so that Tab goes on to the next control. */
export function Editor({ text, onText, catalog, mark, onRun, handle }: Props) {
  const place = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const calls = useRef({ onText, onRun })
  calls.current = { onText, onRun }

  useEffect(() => {
    if (!place.current) return
    const v = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          Prec.highest(keymap.of([
            { key: 'Mod-Enter', run: () => (calls.current.onRun(false), true), preventDefault: true },
            { key: 'Mod-Shift-Enter', run: () => (calls.current.onRun(true), true), preventDefault: true },
            { key: 'Tab', run: acceptCompletion },
            { key: 'Mod-/', run: toggleComment },
          ])),
          lineNumbers(), highlightActiveLineGutter(), highlightActiveLine(), history(), drawSelection(), indentOnInput(), bracketMatching(),
          closeBrackets(), autocompletion({ activateOnTyping: true }), lintGutter(), language.of(languageOf(undefined)),
          syntaxHighlighting(colours), look, EditorView.lineWrapping, EditorView.cspNonce.of(globalThis.__webpack_nonce__ ?? ''),
          EditorView.contentAttributes.of({ 'aria-label': 'SQL text. Escape leaves it.' }),
          placeholder('SELECT …'),
          keymap.of([
            ...closeBracketsKeymap, ...completionKeymap, ...lintKeymap, ...historyKeymap,
            { key: 'Ctrl-Space', run: startCompletion },
            { key: 'Escape', run: (w) => { w.contentDOM.blur(); document.getElementById('sql-run')?.focus(); return true } },
            ...defaultKeymap, indentWithTab,
          ]),
          EditorView.updateListener.of((u) => {
            if (u.docChanged) calls.current.onText(u.state.doc.toString())
          }),
        ],
      }),
    })
    view.current = v
    handle({
      selection: () => ({ text: v.state.doc.toString(), from: v.state.selection.main.from, to: v.state.selection.main.to }),
      insert: (t) => {
        v.dispatch(v.state.replaceSelection(t))
        v.focus()
      },
    })
    v.focus()
    performance.mark('weir-sql-usable')
    return () => {
      handle(null)
      v.destroy()
    }
    // The text is the first one of this tab; afterwards the editor is its owner.
  }, [])

  useEffect(() => {
    view.current?.dispatch({ effects: language.reconfigure(languageOf(catalog)) })
  }, [catalog])

  useEffect(() => {
    const v = view.current
    if (!v) return
    const size = v.state.doc.length
    const list = mark && mark.from <= size ? [{ from: mark.from, to: Math.min(Math.max(mark.to, mark.from), size), severity: 'error' as const, message: mark.message }] : []
    v.dispatch(setDiagnostics(v.state, list))
    if (list[0]) v.dispatch({ effects: EditorView.scrollIntoView(list[0].from) })
  }, [mark])

  return <div ref={place} className="sql-editor" />
}

function languageOf(catalog: Catalog | undefined) {
  const schema: Record<string, SQLNamespace> = {}
  for (const t of catalog?.tables ?? []) {
    const columns = t.columns.map((c): Completion => ({ label: c.name, detail: c.type, type: 'property' }))
    const tables = (schema[t.database] ??= {}) as Record<string, SQLNamespace>
    tables[t.name] = { self: { label: t.name, type: 'type' }, children: columns }
  }
  const keywords = catalog && catalog.keywords.length > 0 ? catalog.keywords.join(' ').toLowerCase() : flinkKeywords
  const dialect = SQLDialect.define({ keywords, types: flinkTypes, identifierQuotes: '`', doubleQuotedStrings: false, slashComments: false })
  const base = sql({ dialect, schema, defaultSchema: 'default', upperCaseKeywords: true })
  const functions = functionsOf(catalog)
  const columns = columnsInText(catalog)
  return [base, dialect.language.data.of({ autocomplete: functions }), dialect.language.data.of({ autocomplete: columns })]
}

/** Functions, with their signature and what they do. */
function functionsOf(catalog: Catalog | undefined): CompletionSource {
  const options = (catalog?.functions ?? []).map((f): Completion => ({
    label: f.name, detail: f.signature, info: f.summary || undefined, type: 'function', apply: `${f.name}(`, boost: -1,
  }))
  return (c) => {
    const word = c.matchBefore(/\w+/)
    return word && options.length > 0 ? { from: word.from, options, validFor: /^\w*$/ } : null
  }
}

/** Columns of the tables that the text names, wherever an expression may stand. */
function columnsInText(catalog: Catalog | undefined): CompletionSource {
  return (c) => {
    const word = c.matchBefore(/\w+/)
    if (!word || c.state.sliceDoc(word.from - 1, word.from) === '.') return null
    const names = new Set(c.state.doc.toString().match(/\w+/g))
    const options = (catalog?.tables ?? []).filter((t) => names.has(t.name)).flatMap((t) =>
      t.columns.map((col): Completion => ({ label: col.name, detail: `${col.type} · ${t.name}`, type: 'property', boost: 2 })))
    return options.length > 0 ? { from: word.from, options, validFor: /^\w*$/ } : null
  }
}
