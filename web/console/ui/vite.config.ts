import { defineConfig } from 'vitest/config'

// The service of `npm run dev`: WEIR=http://127.0.0.1:8480 is asked for /v1.
declare const process: { env: Record<string, string | undefined> }
const service = process.env.WEIR ?? 'http://127.0.0.1:8480'

export default defineConfig({
  base: './', // the service puts a <base> into the page, so that it works below any path
  plugins: [{
    name: 'base-of-dev', apply: 'serve',
    transformIndexHtml: () => [{ tag: 'base', attrs: { href: '/' }, injectTo: 'head-prepend' as const }],
  }],
  build: {
    outDir: 'dist',
    emptyOutDir: false, // the committed placeholder stays; scripts/clean.mjs removes the rest
    target: 'es2023',
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      // Packages mark what servers must not render; there is no server that renders here.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  server: { proxy: { '/v1': service, '/openapi.json': service } },
  test: { include: ['src/**/*.test.ts'] },
})
