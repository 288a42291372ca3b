import { beforeAll, expect, test, vi } from 'vitest'

let store: typeof import('./store')
const saved = new Map<string, string>()

beforeAll(async () => {
  vi.stubGlobal('document', { baseURI: 'http://example/' })
  vi.stubGlobal('sessionStorage', { getItem: () => null })
  vi.stubGlobal('localStorage', { getItem: (k: string) => saved.get(k) ?? null, setItem: (k: string, v: string) => saved.set(k, v) })
  store = await import('./store')
})

test('parameters are taken as they look, or as the type that was chosen', () => {
  expect(store.valueOf({ type: '', text: '42' })).toBe(42)
  expect(store.valueOf({ type: '', text: '-1.5' })).toBe(-1.5)
  expect(store.valueOf({ type: '', text: '007' })).toBe('007')
  expect(store.valueOf({ type: '', text: '12345678901234567890' })).toBe('12345678901234567890')
  expect(store.valueOf({ type: '', text: 'true' })).toBe(true)
  expect(store.valueOf({ type: '', text: 'null' })).toBeNull()
  expect(store.valueOf({ type: '', text: '' })).toBe('')
  expect(store.valueOf({ type: 'DATE', text: '2013-01-01' })).toEqual({ type: 'DATE', value: '2013-01-01' })
})

test('parameters stand by position or by name', () => {
  expect(store.paramsOf({ positional: 2, named: [] }, { 1: { type: '', text: 'a' } })).toEqual(['a', null])
  expect(store.paramsOf({ positional: 0, named: ['from'] }, { from: { type: '', text: '1' } })).toEqual({ from: 1 })
  expect(store.paramsOf({ positional: 0, named: [] }, {})).toBeUndefined()
})

test('tabs are kept, and the last one cannot be closed away', () => {
  const id = store.openTab('SELECT 1')
  expect(saved.get('weir.sql.tabs')).toContain('SELECT 1')
  store.closeTab(id)
  expect(saved.get('weir.sql.tabs')).not.toContain('SELECT 1')
  for (const t of JSON.parse(saved.get('weir.sql.tabs')!) as { id: string }[]) store.closeTab(t.id)
  expect((JSON.parse(saved.get('weir.sql.tabs')!) as unknown[]).length).toBe(1)
})
