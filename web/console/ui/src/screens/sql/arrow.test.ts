import { bool, dateDay, decimal, field, float64, int64, list, tableFromArrays, tableFromColumns, columnFromArray, tableToIPC, timestamp, utf8 } from '@uwdata/flechette'
import { expect, test } from 'vitest'
import { readRows, textOf } from './arrow'

const rows = () => {
  const cols = {
    id: columnFromArray([9007199254740993n, -1n, null], int64()),
    price: columnFromArray([12.34, -0.05, null], decimal(20, 2, 128)),
    ratio: columnFromArray([0.1, -0, null], float64()),
    day: columnFromArray([new Date('2013-01-31'), new Date('1969-12-31'), null], dateDay()),
    at: columnFromArray([1356998400123, -1, null], timestamp(1)),
    name: columnFromArray(['ä', '', null], utf8()),
    ok: columnFromArray([true, false, null], bool()),
    tags: columnFromArray([['a', 'b'], [], null], list(field('item', utf8()))),
  }
  return readRows(tableToIPC(tableFromColumns(cols), {})!)
}

const texts = (name: string) => {
  const r = rows()
  const c = r.columns.find((x) => x.name === name)!
  return Array.from({ length: r.count }, (_, i) => c.text(i))
}

test('values are written as the service writes them', () => {
  expect(texts('id')).toEqual(['9007199254740993', '-1', null])
  expect(texts('ratio')).toEqual(['0.1', '-0', null])
  expect(texts('day')).toEqual(['2013-01-31', '1969-12-31', null])
  expect(texts('at')).toEqual(['2013-01-01 00:00:00.123', '1969-12-31 23:59:59.999', null])
  expect(texts('name')).toEqual(['ä', '', null])
  expect(texts('ok')).toEqual(['true', 'false', null])
  expect(texts('tags')).toEqual(['["a","b"]', '[]', null])
})

test('decimals keep every digit and their scale', () => {
  expect(texts('price')).toEqual(['12.34', '-0.05', null])
  expect(textOf(12345678901234567890123456789012345678n, decimal(38, 10, 128))).toBe('1234567890123456789012345678.9012345678')
  expect(textOf(7, decimal(9, 0, 32))).toBe('7')
})

test('columns know what they are', () => {
  const about = Object.fromEntries(rows().columns.map((c) => [c.name, [c.type, c.numeric, c.time]]))
  expect(about).toMatchObject({
    id: ['BIGINT', true, false], price: ['DECIMAL(20, 2)', true, false], ratio: ['DOUBLE', true, false], day: ['DATE', false, true],
    at: ['TIMESTAMP(3)', false, true], name: ['STRING', false, false], ok: ['BOOLEAN', false, false], tags: ['ARRAY', false, false],
  })
})

test('charts get numbers, moments as seconds', () => {
  const { columns } = rows()
  const of = (name: string) => columns.find((c) => c.name === name)!
  expect(of('at').number(0)).toBeCloseTo(1356998400.123)
  expect(of('at').number(2)).toBeNull()
  expect(of('ratio').number(0)).toBe(0.1)
})

test('a hundred thousand rows can be read at any place', () => {
  const n = 100_000
  const r = readRows(tableToIPC(tableFromArrays({ i: Int32Array.from({ length: n }, (_, i) => i) }), {})!)
  expect(r.count).toBe(n)
  expect(r.columns[0]!.text(n - 1)).toBe(String(n - 1))
})
