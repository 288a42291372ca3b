import { TextInput } from '@mantine/core'
import { useState } from 'react'
import { ErrorBox, Loading } from '../../ui/states'
import type { Catalog, CatalogTable } from './catalog'

/** The catalog beside the text; a click puts a name into it. */
export function Side({ catalog, onInsert }: { catalog: { data: Catalog | undefined; error: unknown }; onInsert: (text: string) => void }) {
  const [filter, setFilter] = useState('')
  const wanted = filter.toLowerCase()
  const has = (t: CatalogTable) => `${t.database}.${t.name}`.toLowerCase().includes(wanted) || t.columns.some((c) => c.name.toLowerCase().includes(wanted))
  const shown = (catalog.data?.tables ?? []).filter(has)
  return (
    <aside className="sql-side" aria-label="Catalog" tabIndex={0}>
      <TextInput placeholder="Find a table or column" aria-label="Find a table or column" data-filter value={filter} onChange={(e) => setFilter(e.currentTarget.value)} mb={6} />
      {catalog.error ? <ErrorBox error={catalog.error} what="Cannot load the catalog" /> : null}
      {!catalog.data && !catalog.error && <Loading what="the catalog" />}
      {shown.map((t) => (
        <details key={`${t.database}.${t.name}`} open={wanted.length > 1 && shown.length < 6 ? true : undefined}>
          <summary>{t.database === 'default' ? '' : `${t.database}.`}{t.name}</summary>
          <ul>
            <li><button type="button" onClick={() => onInsert(nameOf(t))}>insert name</button></li>
            {t.columns.map((c) => (
              <li key={c.name}><button type="button" title={`${c.name} ${c.type}: put into the text`} onClick={() => onInsert(quoted(c.name))}>{c.name}<span>{c.type}</span></button></li>
            ))}
          </ul>
        </details>
      ))}
      {catalog.data && shown.length === 0 && <p className="dim">No table or column has {filter} in its name.</p>}
    </aside>
  )
}

function nameOf(t: CatalogTable): string {
  return t.database === 'default' ? quoted(t.name) : `${quoted(t.database)}.${quoted(t.name)}`
}

function quoted(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `\`${name.replaceAll('`', '``')}\``
}
