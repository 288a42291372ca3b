import { expect, test } from 'vitest'
import { days } from './grid'

const run = (id: string, from: string, to: string, progress: string, created: string, state = 'done') => ({ id, from: `${from}T00:00:00Z`, to: `${to}T00:00:00Z`, progress, created: `${created}T00:00:00Z`, state })

test('the newest run that covered a day decides', () => {
  const got = days([
    run('b', '2013-01-02', '2013-01-04', 'w=', '2020-01-02'),
    run('a', '2013-01-01', '2013-01-03', 'ww', '2020-01-01'),
  ], 100)
  expect(got.map((d) => [d.day, d.mark, d.run])).toEqual([['2013-01-01', 'w', 'a'], ['2013-01-02', 'w', 'b'], ['2013-01-03', '=', 'b']])
})

test('a failed attempt does not hide what was written before, one under way does', () => {
  const before = run('a', '2013-01-01', '2013-01-03', 'ww', '2020-01-01')
  expect(days([before, run('b', '2013-01-01', '2013-01-03', 'w.', '2020-01-02', 'failed')], 9).map((d) => d.run)).toEqual(['b', 'a'])
  expect(days([before, run('b', '2013-01-01', '2013-01-03', 'w.', '2020-01-02', 'running')], 9).map((d) => d.run)).toEqual(['b', 'b'])
})

test('only the newest days are kept', () => {
  expect(days([run('a', '2013-01-01', '2014-01-01', 'w', '2020-01-01')], 3).map((d) => d.day)).toEqual(['2013-12-29', '2013-12-30', '2013-12-31'])
})
