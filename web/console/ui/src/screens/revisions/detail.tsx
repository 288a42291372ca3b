import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { client, unwrap, type Schemas } from '../../api/client'
import { every } from '../../api/queries'
import { count, many, utc } from '../../lib/format'
import { Action } from '../../ui/action'
import { Head, Panel, Stat, State, Stats, TableLink } from '../../ui/parts'
import { Await, Empty } from '../../ui/states'
import { DataTable } from '../../ui/table'
import { Range } from './list'

type Revision = Schemas['RevisionInfo']

const steps: [Revision['state'], string][] = [
  ['comparing', 'Compare: the rows of the range with what the query gives; nothing is changed yet'],
  ['committing', 'Commit: decided, and made one epoch of the table'],
  ['following', 'Follow: the tables downstream take the change in'],
  ['done', 'Done'],
]

/** One revision: how far it is, what it changed, and what followed. */
export function RevisionDetail() {
  const { id } = useParams({ from: '/revisions/$id' })
  const navigate = useNavigate()
  const q = useQuery<Revision>({
    queryKey: ['revision', id],
    refetchInterval: (x) => (x.state.data && ['done', 'failed'].includes(x.state.data.state) ? every.slow : every.live / 2),
    queryFn: async ({ signal }) => unwrap(client.GET('/v1/revisions/{id}', { signal, params: { path: { id } } })),
  })
  return (
    <div className="screen">
      <Await of={q} what={`revision ${id}`}>{(r) => {
        const [db = '', table = ''] = r.table.split('.')
        return (
          <>
            <Head title={id.slice(0, 8)} crumb="Revisions">
              <State of={r.state} />
              {r.state === 'done' && r.snapshot > 0 && (
                <Action confirm="Undo is a revision of its own: the opposite difference against the rows there are now. Rows that came since are kept."
                  run={async () => {
                    const made = await unwrap(client.POST('/v1/revisions', { body: { undo: id } }))
                    void navigate({ to: '/revisions/$id', params: { id: made.id } })
                    return 'The undo has begun.'
                  }}>Undo</Action>
              )}
            </Head>
            {r.error && <div className="problem" role="alert"><strong>It failed</strong>{'\n'}{r.error}</div>}
            <Panel title="Progress"><Progress state={r.state} /></Panel>
            <Stats>
              <Stat label="Rows added">{count(r.rows_added)}</Stat>
              <Stat label="Rows removed">{count(r.rows_removed)}</Stat>
              <Stat label="Rows changed">{count(r.rows_changed)}</Stat>
              {r.rows_skipped > 0 && <Stat label="Skipped" sub="others changed them meanwhile" tone="warn">{count(r.rows_skipped)}</Stat>}
              <Stat label="Snapshot" sub={r.epoch ? `epoch ${count(r.epoch)}` : undefined}>{r.snapshot ? count(r.snapshot) : 'none'}</Stat>
              <Stat label="Compared with" sub="snapshot">{count(r.base_snapshot)}</Stat>
            </Stats>
            <div className="cols">
              <Panel title="What">
                <dl className="facts">
                  <dt>Table</dt><dd><TableLink name={r.table} /></dd>
                  <dt>Range (UTC)</dt><dd><Range from={r.range_from} to={r.range_to} /> by <span className="mono">{r.range_column}</span></dd>
                  <dt>Who</dt><dd>{r.who || '–'}</dd>
                  <dt>Why</dt><dd>{r.why || '–'}</dd>
                  {r.undo_of && <><dt>Undoes</dt><dd><Link to="/revisions/$id" params={{ id: r.undo_of }} className="mono">{r.undo_of}</Link></dd></>}
                  <dt>Begun</dt><dd>{utc(r.created)}</dd>
                  <dt>Ended</dt><dd>{utc(r.ended)}</dd>
                  {r.snapshot > 1 && <><dt>See</dt><dd><Link to="/tables/$db/$table" params={{ db, table }} search={{ tab: 'diff', from: String(r.snapshot - 1), to: String(r.snapshot) }}>the difference it made</Link></dd></>}
                </dl>
              </Panel>
              <Panel title={r.downstream.length === 0 ? 'Downstream' : `${many(r.downstream.length, 'table')} followed`} flush>
                <DataTable label="Tables that followed" rows={r.downstream} id={(f) => f.table} empty={<Empty title={r.state === 'done' ? 'No table downstream changed' : 'None yet'} />}
                  columns={[
                    { key: 'table', title: 'Table', cell: (f) => <TableLink name={f.table} />, by: (f) => f.table },
                    { key: 'snapshot', title: 'Snapshot', num: true, cell: (f) => (f.snapshot ? count(f.snapshot) : '–'), by: (f) => f.snapshot },
                    { key: 'note', title: 'Note', wide: true, cell: (f) => f.note ?? '' },
                  ]} />
              </Panel>
            </div>
            {r.sql && <Panel title="Corrected rows"><pre className="code" tabIndex={0}>{r.sql}</pre></Panel>}
          </>
        )
      }}</Await>
    </div>
  )
}

function Progress({ state }: { state: Revision['state'] }) {
  const at = steps.findIndex(([s]) => s === state)
  return (
    <ol className="steps">
      {steps.map(([s, text], i) => (
        <li key={s} aria-current={i === at ? 'step' : undefined} className={i < at || state === 'done' ? 'done' : i === at ? 'now' : ''}>{text}</li>
      ))}
    </ol>
  )
}
