import { expect, test, vi } from 'vitest'

vi.mock('./graph.css', () => ({}))

test('a line goes through its points and ends level', async () => {
  const { curve } = await import('./graph')
  expect(curve([{ x: 0, y: 0 }, { x: 10, y: 20 }])).toBe('M0 0C5 0 5 20 10 20')
  expect(curve([{ x: 0, y: 0 }, { x: 10, y: 20 }, { x: 30, y: 20 }])).toBe('M0 0C5 0 5 20 10 20C20 20 20 20 30 20')
})
