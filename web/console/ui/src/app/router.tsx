import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { basePath } from '../api/client'
import { Home } from '../screens/home/home'
import { Failure, NotFound } from '../ui/states'
import { Shell } from './shell'

/** What a view keeps in the address: always text. */
export type Search = Record<string, string | undefined>

const validateSearch = (s: Record<string, unknown>): Search =>
  Object.fromEntries(Object.entries(s).filter(([, v]) => typeof v === 'string' && v !== '')) as Search

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })

const page = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent> | (() => React.ReactNode)) =>
  createRoute({ getParentRoute: () => root, path, validateSearch, component: component as () => React.ReactNode })

const tree = root.addChildren([
  page('/', Home),
  page('/sql', lazyRouteComponent(() => import('../screens/sql/workbench'), 'Workbench')),
  page('/jobs', lazyRouteComponent(() => import('../screens/jobs/list'), 'Jobs')),
  page('/jobs/$id', lazyRouteComponent(() => import('../screens/jobs/detail'), 'JobDetail')),
  page('/tables', lazyRouteComponent(() => import('../screens/tables/list'), 'Tables')),
  page('/tables/$db/$table', lazyRouteComponent(() => import('../screens/tables/detail'), 'TableView')),
  page('/lineage', lazyRouteComponent(() => import('../screens/lineage/lineage'), 'LineageScreen')),
  page('/revisions', lazyRouteComponent(() => import('../screens/revisions/list'), 'Revisions')),
  page('/revisions/new', lazyRouteComponent(() => import('../screens/revisions/create'), 'NewRevision')),
  page('/revisions/$id', lazyRouteComponent(() => import('../screens/revisions/detail'), 'RevisionDetail')),
  page('/backfills', lazyRouteComponent(() => import('../screens/backfills/list'), 'Backfills')),
  page('/backfills/new', lazyRouteComponent(() => import('../screens/backfills/create'), 'NewBackfill')),
  page('/backfills/$name', lazyRouteComponent(() => import('../screens/backfills/detail'), 'BackfillDetail')),
  page('/access', lazyRouteComponent(() => import('../screens/access/access'), 'Access')),
  page('/audit', lazyRouteComponent(() => import('../screens/access/audit'), 'Audit')),
  page('/dead-letters', lazyRouteComponent(() => import('../screens/letters/letters'), 'DeadLetters')),
  page('/queries', lazyRouteComponent(() => import('../screens/queries/queries'), 'Queries')),
])

const encode = (s: Search) => {
  const q = new URLSearchParams(Object.entries(s).filter((e): e is [string, string] => !!e[1])).toString()
  return q && `?${q}`
}

export const router = createRouter({
  routeTree: tree,
  basepath: basePath,
  defaultErrorComponent: Failure,
  defaultPreload: 'intent',
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (s) => encode(s as Search),
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
