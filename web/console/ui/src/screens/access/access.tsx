import { Button, Modal, NativeSelect, PasswordInput, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { client, unwrap, type Schemas } from '../../api/client'
import { meQuery } from '../../api/queries'
import { utc } from '../../lib/format'
import { Action, tell } from '../../ui/action'
import { Ago, Head, Panel, Tag, useNow } from '../../ui/parts'
import { Await, Empty, ErrorBox } from '../../ui/states'
import { DataTable } from '../../ui/table'

type Role = Schemas['Token']['role']

const roles: { value: NonNullable<Role>; label: string }[] = [
  { value: 'reader', label: 'reader: looks and queries' }, { value: 'writer', label: 'writer: also stores rows' },
  { value: 'operator', label: 'operator: also tables, jobs, revisions' }, { value: 'admin', label: 'admin: also users and tokens' },
]

/** Who may do what: users with passwords, and tokens for programs. */
export function Access() {
  const me = useQuery(meQuery)
  return (
    <div className="screen">
      <Head title="Users and tokens">{me.data?.user && <OwnPassword />}</Head>
      {me.data && me.data.role !== 'admin' && <div className="note">You are signed in as {me.data.name} with role {me.data.role}. Only an admin sees and changes users and tokens.</div>}
      {me.data?.role === 'admin' && <><Users me={me.data.name} /><Tokens /></>}
      {me.error ? <ErrorBox error={me.error} /> : null}
    </div>
  )
}

function Users({ me }: { me: string }) {
  const now = useNow()
  const q = useQuery({ queryKey: ['users'], queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/users', { signal }))).items })
  return (
    <Panel title="Users" right={<NewUser />} flush><Await of={q} what="users">{(list) => (
      <DataTable label="Users" rows={list} id={(u) => u.name} sortAs="usort" empty={<Empty title="No users yet">Users sign in with a name and a password; tokens are for programs.</Empty>}
        columns={[
          { key: 'name', title: 'Name', cell: (u) => u.name, by: (u) => u.name },
          { key: 'role', title: 'Role', cell: (u) => <RoleOf name={u.name} role={u.role} />, by: (u) => u.role },
          { key: 'made', title: 'Made', cell: (u) => <Ago at={u.created} now={now} />, by: (u) => u.created },
          { key: 'changed', title: 'Changed', cell: (u) => <Ago at={u.changed} now={now} />, by: (u) => u.changed },
          { key: 'do', title: 'Action', cell: (u) => (
            <span className="actions">
              <NewPassword name={u.name} />
              <Action needs="admin" size="compact-xs" disabled={u.name === me} confirm={`${u.name} cannot sign in any more, and is signed out everywhere.`} run={async () => { await unwrap(client.DELETE('/v1/users/{name}', { params: { path: { name: u.name } } })); return `${u.name} is deleted.` }}>Delete</Action>
            </span>
          ) },
        ]} />
    )}</Await></Panel>
  )
}

function RoleOf({ name, role }: { name: string; role: Role }) {
  const queries = useQueryClient()
  const m = useMutation({
    mutationFn: async (next: string) => unwrap(client.PUT('/v1/users/{name}/role', { params: { path: { name } }, body: { role: next as NonNullable<Role> } })),
    onSuccess: () => tell(`${name} has another role.`), onError: (e) => tell('The role stays', e), onSettled: () => void queries.invalidateQueries({ queryKey: ['users'] }),
  })
  return <NativeSelect size="xs" w={120} aria-label={`Role of ${name}`} data={roles.map((r) => r.value)} value={role} disabled={m.isPending} onChange={(e) => m.mutate(e.currentTarget.value)} />
}

/** A dialogue with a form in it. */
function Dialogue({ button, title, children, size }: { button: string; title: string; size?: string; children: (close: () => void) => React.ReactNode }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button size={size} onClick={() => setOpen(true)}>{button}</Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={title} closeButtonProps={{ 'aria-label': 'Close' }}>{open && children(() => setOpen(false))}</Modal>
    </>
  )
}

function NewUser() {
  return <Dialogue button="New user" title="New user">{(close) => <UserForm close={close} />}</Dialogue>
}

function UserForm({ close }: { close: () => void }) {
  const [form, setForm] = useState({ name: '', password: '', role: 'reader' as NonNullable<Role> })
  const queries = useQueryClient()
  const m = useMutation({
    mutationFn: async () => unwrap(client.POST('/v1/users', { body: form })),
    onSuccess: () => { tell(`${form.name} can sign in.`); close(); void queries.invalidateQueries({ queryKey: ['users'] }) },
  })
  return (
    <form className="form" onSubmit={(e) => { e.preventDefault(); m.mutate() }}>
      <TextInput label="Name" required data-autofocus value={form.name} onChange={(e) => setForm({ ...form, name: e.currentTarget.value })} />
      <PasswordInput label="Password" description="at least 10 characters" required autoComplete="new-password" value={form.password} onChange={(e) => setForm({ ...form, password: e.currentTarget.value })} visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }} />
      <NativeSelect label="Role" data={roles} value={form.role} onChange={(e) => setForm({ ...form, role: e.currentTarget.value as NonNullable<Role> })} />
      {m.error ? <ErrorBox error={m.error} what="The user was refused" /> : null}
      <Button type="submit" variant="filled" loading={m.isPending}>Create</Button>
    </form>
  )
}

function NewPassword({ name }: { name: string }) {
  return <Dialogue size="compact-xs" button="Password" title={`New password for ${name}`}>{(close) => <PasswordForm close={close} send={async (password) => { await unwrap(client.PUT('/v1/users/{name}/password', { params: { path: { name } }, body: { password } })) }} />}</Dialogue>
}

function OwnPassword() {
  return <Dialogue button="Change my password" title="Change my password">{(close) => <PasswordForm own close={close} send={async (password, old) => { await unwrap(client.PUT('/v1/me/password', { body: { password, old } })) }} />}</Dialogue>
}

function PasswordForm({ close, send, own }: { close: () => void; own?: boolean; send: (password: string, old: string) => Promise<void> }) {
  const [password, setPassword] = useState('')
  const [old, setOld] = useState('')
  const m = useMutation({ mutationFn: async () => send(password, old), onSuccess: () => { tell('The password is changed; earlier logins have ended.'); close() } })
  return (
    <form className="form" onSubmit={(e) => { e.preventDefault(); m.mutate() }}>
      {own && <PasswordInput label="Present password" required autoComplete="current-password" value={old} onChange={(e) => setOld(e.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }} />}
      <PasswordInput label="New password" description="at least 10 characters" required autoComplete="new-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }} />
      {m.error ? <ErrorBox error={m.error} what="The password stays" /> : null}
      <Button type="submit" variant="filled" loading={m.isPending}>Change</Button>
    </form>
  )
}

function Tokens() {
  const now = useNow()
  const q = useQuery({ queryKey: ['tokens'], queryFn: async ({ signal }) => (await unwrap(client.GET('/v1/tokens', { signal }))).items })
  return (
    <Panel title="Tokens" right={<Dialogue button="New token" title="New token">{() => <TokenForm />}</Dialogue>} flush><Await of={q} what="tokens">{(list) => (
      <DataTable label="Tokens" rows={list} id={(t) => t.id} sortAs="tsort"
        columns={[
          { key: 'name', title: 'Name', cell: (t) => <>{t.name} {t.session && <Tag>login</Tag>}</>, by: (t) => t.name },
          { key: 'role', title: 'Role', cell: (t) => t.role ?? '', by: (t) => t.role },
          { key: 'user', title: 'User', cell: (t) => t.user ?? '', by: (t) => t.user },
          { key: 'made', title: 'Made', cell: (t) => <Ago at={t.created} now={now} />, by: (t) => t.created },
          { key: 'used', title: 'Last used', cell: (t) => <Ago at={t.used} now={now} />, by: (t) => t.used },
          { key: 'expires', title: 'Expires (UTC)', cell: (t) => (t.expires ? <span className={Date.parse(t.expires) < now ? 'bad' : ''}>{utc(t.expires)}</span> : 'never'), by: (t) => t.expires },
          { key: 'do', title: 'Action', cell: (t) => <Action needs="admin" size="compact-xs" confirm={`Whatever uses the token ${t.name} is refused from now on.`} run={async () => { await unwrap(client.DELETE('/v1/tokens/{id}', { params: { path: { id: t.id } } })); return `The token ${t.name} is revoked.` }}>Revoke</Action> },
        ]} />
    )}</Await></Panel>
  )
}

function TokenForm() {
  const [form, setForm] = useState({ name: '', role: 'reader' as NonNullable<Role>, expires: '720h' })
  const queries = useQueryClient()
  const m = useMutation({
    mutationFn: async () => unwrap(client.POST('/v1/tokens', { body: { name: form.name, role: form.role, expires: form.expires || undefined } })),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ['tokens'] }),
  })
  if (m.data) {
    return (
      <>
        <p style={{ marginTop: 0 }}>This is the token of {m.data.name}. It is shown this once.</p>
        <pre className="code" tabIndex={0}>{m.data.token}</pre>
        <Button mt={8} onClick={() => void navigator.clipboard.writeText(m.data.token)}>Copy</Button>
      </>
    )
  }
  return (
    <form className="form" onSubmit={(e) => { e.preventDefault(); m.mutate() }}>
      <TextInput label="Name" description="who or what will use it" required data-autofocus value={form.name} onChange={(e) => setForm({ ...form, name: e.currentTarget.value })} />
      <NativeSelect label="Role" data={roles} value={form.role} onChange={(e) => setForm({ ...form, role: e.currentTarget.value as NonNullable<Role> })} />
      <NativeSelect label="Good for" data={[{ value: '24h', label: 'a day' }, { value: '168h', label: 'a week' }, { value: '720h', label: '30 days' }, { value: '8760h', label: 'a year' }, { value: '', label: 'ever' }]} value={form.expires} onChange={(e) => setForm({ ...form, expires: e.currentTarget.value })} />
      {m.error ? <ErrorBox error={m.error} what="The token was refused" /> : null}
      <Button type="submit" variant="filled" loading={m.isPending}>Create</Button>
    </form>
  )
}
