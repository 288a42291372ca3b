// Package console serves the console, a single-page application that is built from ui/ and embedded. It uses the
// public API only, with the caller's token, which stays in the session storage of the browser's tab.
//
// A binary that was built without Node.js has a placeholder instead, which says so. Every view has an address of its
// own; the page is answered for all of them with a <base>, relative to the address asked for, so that the console works below any
// path that a proxy strips. Scripts and styles come from the service alone: the policy allows no inline script, and
// inline style elements only with the nonce of this answer.
package console
