import { ActionIcon, useMantineColorScheme } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet } from '@tanstack/react-router'
import { Fragment, useState } from 'react'
import { basePath, client } from '../api/client'
import { useLiveJobs } from '../api/events'
import { meQuery } from '../api/queries'
import { signOut, useToken } from '../api/session'
import { Notes } from '../ui/action'
import { Icon, Logo } from '../ui/icons'
import { Login } from './login'
import { places } from './nav'
import { Shortcuts } from './shortcuts'

/** The frame of all screens; without a token, the sign-in page. */
export function Shell() {
  return useToken() ? <Frame /> : <Login />
}

function Frame() {
  const [help, setHelp] = useState(false)
  const { jobs, connected } = useLiveJobs()
  const me = useQuery(meQuery)
  const shown = places.filter((p) => !p.role || me.data?.role === p.role)
  const sick = [...jobs.values()].filter((j) => j.state === 'failed' || j.state === 'failing').length
  return (
    <div className="frame">
      <a className="skip" href="#main">To the content</a>
      <nav className="nav" aria-label="Screens">
        <Link to="/" className="brand"><Logo /> weir</Link>
        {shown.map((p) => (
          <Fragment key={p.to}>
            {p.group && <div className="group">{p.group}</div>}
            <Link to={p.to} className="item" activeProps={{ className: 'active', 'aria-current': 'page' }} activeOptions={{ exact: p.to === '/', includeSearch: false }}>
              <Icon name={p.icon} />{p.label}
              {p.to === '/jobs' && sick > 0 && <span className="count" title={`${sick} jobs fail`}>{sick}</span>}
            </Link>
          </Fragment>
        ))}
        <div className="foot">
          <span className="wide"><span className={`state ${connected ? 'good' : 'dim busy'}`}>{connected ? 'live' : 'connecting'}</span></span>
          {me.data && <span className="wide" title="Signed in as">{me.data.name}, {me.data.role}</span>}
          <Version />
          <span className="nowrap">
            <ColorScheme />
            <ActionIcon aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setHelp(true)}><Icon name="help" /></ActionIcon>
            <ActionIcon aria-label="Sign out" title="Sign out" onClick={() => void leave()}><Icon name="out" /></ActionIcon>
          </span>
        </div>
      </nav>
      <main className="main" id="main" tabIndex={-1}><Outlet /></main>
      <Notes />
      <Shortcuts open={help} onOpen={setHelp} />
    </div>
  )
}

/** Ends the session of a login; a token that was pasted stays good. */
async function leave() {
  try {
    await client.POST('/v1/logout')
  } finally {
    signOut()
  }
}

function Version() {
  const q = useQuery({
    queryKey: ['healthz'], staleTime: Infinity,
    queryFn: async () => (await (await fetch(`${basePath}healthz`)).json()) as { version: string },
  })
  return <span className="wide" title="Version of the service">{q.data?.version ?? ''}</span>
}

function ColorScheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const next = colorScheme === 'auto' ? 'light' : colorScheme === 'light' ? 'dark' : 'auto'
  const label = `Colours: ${colorScheme === 'auto' ? 'as the system' : colorScheme}; change to ${next === 'auto' ? 'the system’s' : next}`
  return <ActionIcon aria-label={label} title={label} onClick={() => setColorScheme(next)}><Icon name="sun" /></ActionIcon>
}
