import './sql.css'
import { ActionIcon, Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { Problem } from '../../api/problem'
import { duration } from '../../lib/format'
import { Icon } from '../../ui/icons'
import { useAddress, useNow } from '../../ui/parts'
import { AsOf } from './asof'
import { catalogQuery } from './catalog'
import { Editor, type EditorHandle, type Mark } from './editor'
import { Params } from './params'
import { Results } from './results'
import { Side } from './side'
import { offsetOf, parametersOf, statementAt, statements, type Statement } from './split'
import { cancel, changeTab, closeTab, execute, openTab, paramsOf, useWorkbench, type Tab, type Work } from './store'

/** The SQL workbench. ?tab= is one of the browser's tabs, ?sql= opens a new one with that text (&run=1 runs it). */
export function Workbench() {
  const [address] = useAddress()
  const navigate = useNavigate()
  const { tabs, work } = useWorkbench()
  const catalog = useQuery(catalogQuery)
  const tab = tabs.find((t) => t.id === address.tab) ?? tabs[tabs.length - 1]!
  const go = useCallback((id: string) => void navigate({ to: '/sql', search: { tab: id }, replace: true }), [navigate])
  const taken = useRef('')

  useEffect(() => {
    document.title = 'SQL · weir'
    if (address.sql && taken.current !== address.sql) {
      taken.current = address.sql
      const id = openTab(address.sql)
      if (address.run) void execute(id, statements(address.sql).slice(0, 1))
      go(id)
    }
  }, [address.sql, address.run, go])

  return (
    <div className="screen full">
      <h1 className="skip">SQL</h1>
      <div className="sql">
        <SqlTab key={tab.id} tab={tab} tabs={tabs} work={work[tab.id]} catalog={catalog} go={go} />
      </div>
    </div>
  )
}

interface Props {
  tab: Tab
  tabs: readonly Tab[]
  work: Work | undefined
  catalog: { data: import('./catalog').Catalog | undefined; error: unknown }
  go: (id: string) => void
}

function SqlTab({ tab, tabs, work, catalog, go }: Props) {
  const editor = useRef<EditorHandle>(null)
  const handle = useCallback((h: EditorHandle | null) => { editor.current = h }, [])
  const [explained, setExplained] = useState('')
  const [, change] = useAddress()
  const names = useMemo(() => parametersOf(tab.text), [tab.text])
  const mark = useMemo(() => markOf(work), [work])

  const chosen = (all: boolean): Statement[] => {
    const s = editor.current?.selection()
    if (!s) return []
    if (!all && s.from !== s.to) return statements(s.text.slice(s.from, s.to)).map((x) => ({ ...x, from: x.from + s.from, to: x.to + s.from }))
    if (all) return statements(s.text)
    const one = statementAt(s.text, s.from)
    return one ? [one] : []
  }
  const start = (list: Statement[]) => {
    setExplained('')
    void execute(tab.id, list, paramsOf(parametersOf(list.map((s) => s.text).join(';')), tab.params))
  }
  const explain = () => {
    setExplained(chosen(false)[0]?.text ?? '')
    change({ view: 'plan' })
  }

  return (
    <>
      <Side catalog={catalog} onInsert={(t) => editor.current?.insert(t)} />
      <div className="sql-work">
        <TabStrip tabs={tabs} active={tab.id} go={go} />
        <div className="sql-bar">
          {work?.running
            ? <Button id="sql-run" variant="filled" color="red" onClick={() => cancel(tab.id)}>Cancel</Button>
            : <Button id="sql-run" variant="filled" onClick={() => start(chosen(false))} title="Ctrl+Enter: the selection, or the statement at the cursor">Run</Button>}
          <Button disabled={work?.running} onClick={() => start(chosen(true))} title="Ctrl+Shift+Enter">Run all</Button>
          <Button onClick={explain} title="What the statement does, and what it costs as a stream">Explain</Button>
          <AsOf text={tab.text} onInsert={(t) => editor.current?.insert(t)} />
          <div className="right">
            <Progress work={work} />
            <Button onClick={() => void navigator.clipboard.writeText(shareLink(tab.text))} title="Copies an address that opens this text">Copy link</Button>
          </div>
        </div>
        <Editor text={tab.text} onText={(text) => changeTab(tab.id, { text })} catalog={catalog.data} mark={mark} onRun={(all) => start(chosen(all))} handle={handle} />
        <Params names={names} values={tab.params} onChange={(params) => changeTab(tab.id, { params })} />
        <Results work={work} explained={explained} onOpen={(sql) => go(openTab(sql))} params={paramsOf(names, tab.params)} />
      </div>
    </>
  )
}

function shareLink(text: string): string {
  const u = new URL(location.href)
  u.search = new URLSearchParams({ sql: text }).toString()
  return u.toString()
}

/** Where the error of the last statement is in the text. */
function markOf(work: Work | undefined): Mark | undefined {
  const { error, statement } = work ?? {}
  if (!(error instanceof Problem) || !error.line || !statement) return undefined
  const from = Math.max(0, statement.from + offsetOf(statement.text, error.line, error.column))
  const word = /^[\w.`]+/.exec(statement.text.slice(from - statement.from))
  return { from, to: from + (word?.[0].length ?? 1), message: error.hint ? `${error.message}\n${error.hint}` : error.message }
}

function Progress({ work }: { work: Work | undefined }) {
  const now = useNow()
  if (!work?.running) return null
  return (
    <span className="dim" role="status">
      {work.steps > 1 && `statement ${work.step} of ${work.steps}, `}running for {duration(Math.max(0, now - work.begun))}
    </span>
  )
}

function TabStrip({ tabs, active, go }: { tabs: readonly Tab[]; active: string; go: (id: string) => void }) {
  const rename = (t: Tab) => {
    const title = prompt('Name of the tab', t.title)
    if (title) changeTab(t.id, { title })
  }
  return (
    <nav className="sql-tabs" aria-label="Tabs">
      {tabs.map((t) => (
        <span key={t.id} className={`sql-tab ${t.id === active ? 'active' : ''}`}>
          <Link to="/sql" search={{ tab: t.id }} aria-current={t.id === active ? 'page' : undefined} activeProps={{}} onDoubleClick={() => rename(t)} title="Double click renames">{t.title}</Link>
          <ActionIcon size="sm" aria-label={`Close ${t.title}`} onClick={() => closeTab(t.id)}><Icon name="close" width={12} height={12} /></ActionIcon>
        </span>
      ))}
      <ActionIcon aria-label="New tab" title="New tab" m={3} onClick={() => go(openTab())}><Icon name="plus" /></ActionIcon>
    </nav>
  )
}
