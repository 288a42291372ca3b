// Writes a gzip and a Brotli form beside each file of dist that shrinks by it; the service sends what the browser takes.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const sizeMin = 1024 // below that a packet is sent either way

for (const entry of readdirSync('dist/assets')) {
  if (!/\.(js|css|svg)$/.test(entry)) continue
  const data = readFileSync(`dist/assets/${entry}`)
  if (data.length < sizeMin) continue
  writeFileSync(`dist/assets/${entry}.gz`, gzipSync(data, { level: 9 }))
  writeFileSync(`dist/assets/${entry}.br`, brotliCompressSync(data, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: data.length },
  }))
}
