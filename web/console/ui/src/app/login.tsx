import { Button, PasswordInput } from '@mantine/core'
import { useState, type FormEvent } from 'react'
import { client, unwrap } from '../api/client'
import { signedOutBecause, signIn, signOut } from '../api/session'
import { Problem } from '../api/problem'
import { Logo } from '../ui/icons'
import { ErrorBox } from '../ui/states'

/** Asks for a token. The service's log and `make run` print a link that carries one. */
export function Login() {
  const [value, setValue] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const enter = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await check(value.trim())
      signIn(value.trim())
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
        <PasswordInput label="Token" autoFocus required autoComplete="off" value={value} onChange={(e) => setValue(e.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the token' }}
          description="The first token is in the file “token” of the service's data folder. It stays in this browser tab." />
        <Button type="submit" variant="filled" loading={busy} size="sm">Sign in</Button>
      </form>
    </main>
  )
}

/** Fails unless the service knows the token. */
async function check(value: string): Promise<void> {
  try {
    await unwrap(client.GET('/v1/databases', { headers: { Authorization: `Bearer ${value}` } }))
  } catch (err) {
    if (err instanceof Problem && err.status === 401) {
      signOut()
      throw new Problem(401, { detail: 'The service does not know this token. It may be revoked or expired, or belong to another service.' })
    }
    throw err
  }
}
