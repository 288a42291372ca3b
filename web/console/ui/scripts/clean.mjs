// Removes what an earlier build left in dist; the committed placeholder stays.
import { existsSync, readdirSync, rmSync } from 'node:fs'

if (existsSync('dist')) {
  for (const name of readdirSync('dist')) {
    if (name !== 'placeholder.html') rmSync(`dist/${name}`, { recursive: true })
  }
}
