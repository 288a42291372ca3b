// Package web is the service's HTTP server: one listener, the order of what every request passes (recovery,
// security headers, metrics, rate limit, authentication), and a graceful stop. What requests mean is
// in web/api, who makes them in web/auth, the console in web/console.
//
// Without a token only /healthz, /readyz, the contract at /openapi.json and /openapi.yaml, and the static files of
// the page are answered. There are no CORS headers: pages of other origins cannot call the service.
package web
