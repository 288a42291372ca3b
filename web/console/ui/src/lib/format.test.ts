import { expect, test } from 'vitest'
import { ago, bytes, count, duration, many, percent, rate, utc } from './format'

test('figures have units and are not rounded to nothing', () => {
  expect(count(1234567)).toBe('1,234,567')
  expect(count(undefined)).toBe('–')
  expect([many(0, 'row'), many(1, 'row'), many(2000, 'row')]).toEqual(['0 rows', '1 row', '2,000 rows'])
  expect(bytes(0)).toBe('0 B')
  expect(bytes(1536)).toBe('1.5 KiB')
  expect(bytes(250 * 1024 * 1024)).toBe('250 MiB')
  expect(rate(0.42)).toBe('0.4/s')
  expect(rate(12345.6)).toBe('12,346/s')
  expect(percent(0.004)).toBe('<1 %')
  expect(percent(0.5)).toBe('50 %')
})

test('lengths of time use two units at most', () => {
  expect(duration(0)).toBe('0 ms')
  expect(duration(0.25)).toBe('250 µs')
  expect(duration(340)).toBe('340 ms')
  expect(duration(9_940)).toBe('9.9 s')
  expect(duration(185_000)).toBe('3 min 5 s')
  expect(duration(7_800_000)).toBe('2 h 10 min')
  expect(duration(2 * 86_400_000)).toBe('2 d')
  expect(duration(-5000)).toBe('−5.0 s')
})

test('moments are UTC', () => {
  expect(utc('2013-01-01T18:37:00Z')).toBe('2013-01-01 18:37:00')
  expect(utc(1795416947990)).toBe('2026-11-23 06:55:47.990')
  expect(ago(1000, 63_000)).toBe('1 min 2 s ago')
  expect(ago(64_000, 63_500)).toBe('now')
})
