import type { IconName } from '../ui/icons'

export interface Place {
  to: string
  label: string
  icon: IconName
  /** Second key after g. */
  key: string
  group?: string
  /** Shown to this role only. */
  role?: 'admin'
}

/** The screens, in the order of the navigation. */
export const places: readonly Place[] = [
  { to: '/', label: 'Home', icon: 'home', key: 'h' },
  { to: '/sql', label: 'SQL', icon: 'sql', key: 's' },
  { to: '/tables', label: 'Tables', icon: 'tables', key: 't', group: 'Data' },
  { to: '/lineage', label: 'Lineage', icon: 'lineage', key: 'l' },
  { to: '/revisions', label: 'Revisions', icon: 'revisions', key: 'r' },
  { to: '/jobs', label: 'Jobs', icon: 'jobs', key: 'j', group: 'Work' },
  { to: '/backfills', label: 'Backfills', icon: 'backfills', key: 'b' },
  { to: '/dead-letters', label: 'Dead letters', icon: 'letters', key: 'd' },
  { to: '/queries', label: 'Queries', icon: 'queries', key: 'q' },
  { to: '/access', label: 'Users and tokens', icon: 'access', key: 'u', group: 'Access', role: 'admin' },
  { to: '/audit', label: 'Audit', icon: 'audit', key: 'a', role: 'admin' },
]
