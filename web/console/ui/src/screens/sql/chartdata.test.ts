import { expect, test } from 'vitest'
import type { ResultColumn, Rows } from './arrow'
import { guess, series } from './chartdata'

const column = (name: string, kind: 'time' | 'number' | 'text', values: (string | number | null)[]): ResultColumn => ({
  name, type: '', numeric: kind === 'number', time: kind === 'time',
  text: (i) => (values[i] === null || values[i] === undefined ? null : String(values[i])),
  number: (i) => (typeof values[i] === 'number' ? values[i] : null),
})

const rows = (...columns: ResultColumn[]): Rows => ({ columns, count: 4, bytes: new Uint8Array() })

test('time goes across, a number up, few texts apart', () => {
  const r = rows(column('n', 'number', [1, 2, 3, 4]), column('who', 'text', ['a', 'b', 'a', 'b']), column('at', 'time', [20, 20, 10, 10]))
  expect(guess(r)).toEqual({ x: 2, y: 0, by: 1, kind: 'line' })
  const s = series(r, guess(r))
  expect(s.at).toEqual([10, 20])
  expect(s.lines).toEqual([{ name: 'a', values: [3, 1] }, { name: 'b', values: [4, 2] }])
})

test('names become places with labels; NULL is a gap', () => {
  const r = rows(column('carrier', 'text', ['AA', 'B6', null, 'AA']), column('n', 'number', [1, null, 3, 4]))
  expect(guess(r)).toEqual({ x: 0, y: 1, by: undefined, kind: 'bars' })
  const s = series(r, guess(r))
  expect(s.labels).toEqual(['AA', 'B6', 'NULL'])
  expect(s.at).toEqual([0, 2])
  expect(s.lines[0]!.values).toEqual([4, 3])
})

test('what is too much is left out and said', () => {
  const many = Array.from({ length: 20 }, (_, i) => `k${i}`)
  const r: Rows = { columns: [column('x', 'number', many.map((_, i) => i)), column('y', 'number', many.map(() => 1)), column('k', 'text', many)], count: 20, bytes: new Uint8Array() }
  const s = series(r, { x: 0, y: 1, by: 2, kind: 'line' })
  expect(s.lines.length).toBe(8)
  expect(s.note).toContain('first 8 values of k')
})

test('rows without numbers cannot be drawn', () => {
  expect(guess(rows(column('a', 'text', ['x', 'y', 'z', 'w']))).y).toBeUndefined()
})
