// Line icons of 16 by 16, drawn for the console.
import type { SVGProps } from 'react'

const shapes = {
  home: 'M2.5 7.5 8 3l5.5 4.500M4 6.500V13h8V6.5',
  sql: 'M2.5 3.500h11v9h-11zM5 6.5 6.8 8 5 9.500M8.5 10h2.5',
  jobs: 'M3 4.500h4M9 4.500h4M3 8h7M12 8h1M3 11.500h2M7 11.500h6',
  tables: 'M2.5 3h11v10h-11zM2.5 6.300h11M2.5 9.600h11M6.5 6.300V13',
  lineage: 'M2.5 8h3M10.5 4.500H9c-2 0-1.5 3.5-3.5 3.5 2 0 1.5 3.5 3.5 3.500h1.500M10.5 3h3v3h-3zM10.5 10h3v3h-3z',
  revisions: 'M3 8a5 5 0 1 1 1.5 3.500M3 12.500V9h3.5',
  backfills: 'M8 4.500V8l2.5 1.500M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z',
  letters: 'M2.5 4h11v8h-11zM2.5 4.5 8 9l5.5-4.5',
  queries: 'M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3.5 3.5',
  access: 'M8 2.500a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM3 13.500c0-2.5 2-4 5-4s5 1.5 5 4',
  audit: 'M4 2.500h8v11H4zM6 5.500h4M6 8h4M6 10.500h2.5',
  sun: 'M8 5.500a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM8 2v1.500M8 12.500V14M2 8h1.500M12.5 8H14M3.8 3.800l1 1M11.2 11.200l1 1M12.2 3.800l-1 1M4.8 11.200l-1 1',
  out: 'M6.5 3H3v10h3.500M7 8h6.500M11 5.5 13.5 8 11 10.5',
  help: 'M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM6.5 6.500c0-2 3-2 3 0 0 1.2-1.5 1.2-1.5 2.500M8 11v.4',
  plus: 'M8 3.500v9M3.5 8h9',
  close: 'M4 4l8 8M12 4l-8 8',
} as const

export type IconName = keyof typeof shapes

export function Icon({ name, ...rest }: { name: IconName } & SVGProps<SVGSVGElement>) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" {...rest}>
      <path d={shapes[name]} />
    </svg>
  )
}

export function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="6" fill="#0b6b8a" />
      <path d="M5 11h22M5 16q5.5-4 11 0t11 0M5 22q5.5-4 11 0t11 0" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
    </svg>
  )
}
