import type { IconName } from '../ui/icons'

export interface Place {
  to: string
  label: string
  icon: IconName
  /** Second key after g. */
  key: string
  group?: string
}

/** The screens, in the order of the navigation. */
export const places: readonly Place[] = [
  { to: '/', label: 'Home', icon: 'home', key: 'h' },
  { to: '/sql', label: 'SQL', icon: 'sql', key: 's' },
  { to: '/tables', label: 'Tables', icon: 'tables', key: 't', group: 'Data' },
  { to: '/jobs', label: 'Jobs', icon: 'jobs', key: 'j', group: 'Work' },
  { to: '/queries', label: 'Queries', icon: 'queries', key: 'q' },
]
