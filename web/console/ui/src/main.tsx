import './mantine.css'
import './styles.css'
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import { Problem } from './api/problem'
import { onSession, takeTokenFromAddress } from './api/session'
import { router } from './app/router'
import { theme, variables } from './app/theme'

declare global {
  // Read by the package get-nonce when a dialogue locks scrolling.
  var __webpack_nonce__: string | undefined
}

// The policy lets only style elements with the page's nonce in. Browsers hide the attribute, the property has it.
const nonce = document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce ?? ''
globalThis.__webpack_nonce__ = nonce

takeTokenFromAddress()

const retryMax = 2

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1000,
      // What the service answered stands; only silence and "not now" are asked again.
      retry: (n, err) => n < retryMax && (!(err instanceof Problem) || err.status === 503),
      retryDelay: 500,
    },
  },
})

// What one user was shown is not the next one's to see.
onSession(() => queries.clear())

const root = document.getElementById('root')
if (!root) throw new Error('the page has no element root')

createRoot(root).render(
  <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </MantineProvider>,
)
