import { Button, PasswordInput, SegmentedControl, TextInput } from '@mantine/core'
import { useState, type FormEvent } from 'react'
import { client, unwrap } from '../api/client'
import { Problem } from '../api/problem'
import { signedOutBecause, signIn } from '../api/session'
import { Logo } from '../ui/icons'
import { ErrorBox } from '../ui/states'

/** Asks for a token, or a name and a password. `make run` prints a link that carries a token. */
export function Login() {
  const [by, setBy] = useState('token')
  const [value, setValue] = useState('')
  const [name, setName] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const enter = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      signIn(by === 'token' ? await checked(value.trim()) : await login(name, value))
    } catch (err) {
      setError(err)
    } finally {
      setBusy(false)
    }
  }
  const why = signedOutBecause()
  return (
    <main className="login">
      <form onSubmit={(e) => void enter(e)}>
        <h1><Logo /> weir</h1>
        {why && !error && <div className="note" role="status">{why}</div>}
        {error ? <ErrorBox error={error} what="Not signed in" /> : null}
        <SegmentedControl aria-label="Sign in with" fullWidth data={[{ value: 'token', label: 'Token' }, { value: 'password', label: 'Name and password' }]} value={by} onChange={(v) => { setBy(v); setValue('') }} />
        {by === 'password' && <TextInput label="Name" required autoFocus autoComplete="username" value={name} onChange={(e) => setName(e.currentTarget.value)} />}
        <PasswordInput key={by} label={by === 'token' ? 'Token' : 'Password'} autoFocus={by === 'token'} required autoComplete={by === 'token' ? 'off' : 'current-password'} value={value} onChange={(e) => setValue(e.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': `Show the ${by}` }}
          description={by === 'token' ? 'The first token is in the file “token” of the service\'s data folder. It stays in this browser tab.' : undefined} />
        <Button type="submit" variant="filled" loading={busy} size="sm">Sign in</Button>
      </form>
    </main>
  )
}

async function login(name: string, password: string): Promise<string> {
  return (await unwrap(client.POST('/v1/login', { body: { name, password } }))).token
}

/** The token, if the service knows it. */
async function checked(value: string): Promise<string> {
  try {
    await unwrap(client.GET('/v1/me', { headers: { Authorization: `Bearer ${value}` } }))
    return value
  } catch (err) {
    if (err instanceof Problem && err.status === 401) {
      throw new Problem(401, { detail: 'The service does not know this token. It may be revoked or expired, or belong to another service.' })
    }
    throw err
  }
}
