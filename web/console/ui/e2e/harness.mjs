// What the console's run in a real browser is made of: steps with a time, looks at a screen (accessibility and pictures), and
// a watch for what must never happen.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export const base = need('WEIR_URL')
export const token = need('WEIR_TOKEN')
export const files = need('WEIR_FILES') // a folder of the test's that the service can read
const shots = process.env.WEIR_SHOTS ?? ''
const only = process.env.WEIR_ONLY ?? '' // a regular expression of steps, for work on one of them

function need(name) {
  const v = process.env[name]
  if (!v) throw new Error(`the environment has no ${name}`)
  return v
}

const failures = []
const figures = {}

export function figure(name, value) {
  figures[name] = Math.round(value)
}

/** Fails the run with what is wrong; the run goes on, so that one report has all of it. */
export function fail(text) {
  failures.push(text)
  console.log(`FAIL ${text}`)
}

export function check(ok, text) {
  if (!ok) fail(text)
}

/** Opens a browser with a page that reports what must not happen. */
export async function open() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true, permissions: ['clipboard-read', 'clipboard-write'] })
  context.setDefaultTimeout(30_000)
  const page = await context.newPage()
  const host = new URL(base).host
  page.on('pageerror', (e) => fail(`a script threw: ${e.stack ?? e}`))
  page.on('console', (m) => {
    // A refused request is the screen's to show; a policy that blocked something is ours.
    if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) fail(`the browser complains: ${m.text().slice(0, 400)}`)
  })
  page.on('request', (r) => {
    const u = new URL(r.url())
    if (/^https?:$/.test(u.protocol) && u.host !== host) fail(`a request went to ${u.host}`)
  })
  page.on('response', (r) => {
    if (r.status() >= 500 && r.status() !== 503) fail(`${r.request().method()} ${r.url()} answered ${r.status()}`)
  })
  return { browser, context, page }
}

/** Does a part of the run and says how long it took. */
export async function step(name, page, fn) {
  if (only && !new RegExp(only).test(name)) return
  const begin = Date.now()
  try {
    await fn()
    console.log(`ok ${name} ${Date.now() - begin} ms`)
  } catch (err) {
    fail(`${name}: ${String(err.message ?? err).split('\n').slice(0, 12).join(' | ')}`)
    if (shots) await page.screenshot({ path: `${shots}/failed-${name.replace(/\W+/g, '-')}.png` }).catch(() => {})
  }
}

/** Looks at the screen in light and dark: axe finds no violation of WCAG A or AA; pictures are kept. */
export async function look(page, name, { narrow = false } = {}) {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    await page.waitForTimeout(150) // colours change in a frame or two
    await page.evaluate(axeSource)
    const found = await page.evaluate(async () => {
      const r = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })
      return r.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.any[0]?.message ?? ''}`).join('; ')}`)
    })
    for (const f of found) fail(`${name}, ${scheme}: ${f}`)
    if (shots) {
      mkdirSync(shots, { recursive: true })
      await page.screenshot({ path: `${shots}/${name}-${scheme}.png` })
    }
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  if (narrow && shots) {
    await page.setViewportSize({ width: 420, height: 900 })
    await page.waitForTimeout(200)
    await page.screenshot({ path: `${shots}/${name}-narrow.png` })
    await page.setViewportSize({ width: 1440, height: 900 })
  }
}

/** Goes to a view. */
export async function go(page, path) {
  await page.goto(base + path)
}

/** Asks the service directly, to prepare what a screen needs. */
export async function ask(method, path, body) {
  const r = await fetch(base + path, {
    method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
  })
  const text = await r.text()
  if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

export const sql = (text) => ask('POST', '/v1/query', { sql: text })

/** Waits until fn gives something true. */
export async function until(what, fn, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await new Promise((r) => setTimeout(r, 200))) {
    const v = await fn()
    if (v) return v
  }
  throw new Error(`${what} did not happen within ${seconds} s`)
}

/** Compressed bytes of scripts and styles that the page has loaded, by name. */
export async function loaded(page) {
  const list = await page.evaluate(() => performance.getEntriesByType('resource').filter((r) => /\.(js|css)$/.test(r.name)).map((r) => [r.name, r.encodedBodySize]))
  return new Map(list)
}

export const sum = (sizes) => [...sizes.values()].reduce((a, b) => a + b, 0)

/** Prints the figures and ends with what failed. */
export function end() {
  console.log(`figures ${JSON.stringify(figures)}`)
  if (failures.length > 0) {
    console.log(`${failures.length} failures`)
    process.exitCode = 1
  }
}
