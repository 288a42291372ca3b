import { expect, test } from 'vitest'
import { offsetOf, parametersOf, statementAt, statements } from './split'

test('semicolons cut statements, those inside of texts do not', () => {
  const text = "-- one; two\nSELECT 'a;b' AS `x;y`; /* ; */ SELECT 'it''s;' ;;\n  "
  const got = statements(text)
  expect(got.map((s) => s.text)).toEqual(["SELECT 'a;b' AS `x;y`", "SELECT 'it''s;'"])
  for (const s of got) expect(text.slice(s.from, s.to)).toBe(s.text)
})

test('an open string or comment ends with the text', () => {
  expect(statements("SELECT 'abc; SELECT 1").length).toBe(1)
  expect(statements('/* no end ; ').length).toBe(0)
  expect(statements('').length).toBe(0)
})

test('the statement at the cursor is the one around it', () => {
  const text = 'SELECT 1;\nSELECT 2;\n\n'
  expect(statementAt(text, 0)?.text).toBe('SELECT 1')
  expect(statementAt(text, 9)?.text).toBe('SELECT 1')
  expect(statementAt(text, 12)?.text).toBe('SELECT 2')
  expect(statementAt(text, text.length)?.text).toBe('SELECT 2')
  expect(statementAt('  ', 1)).toBeUndefined()
})

test('parameters are found outside of texts', () => {
  expect(parametersOf("SELECT ? , ':x?', :from, :to, :from -- :no")).toEqual({ positional: 1, named: ['from', 'to'] })
  expect(parametersOf('SELECT a::INT').named).toEqual([])
})

test('line and column become a place', () => {
  const text = 'ab\ncdé😀f\n'
  expect(offsetOf(text, 1, 1)).toBe(0)
  expect(offsetOf(text, 2, 2)).toBe(4)
  expect(text.slice(offsetOf(text, 2, 5))).toBe('f\n')
  expect(offsetOf(text, 9, 1)).toBe(text.length)
})
