// Package objstoretest is the conformance suite of objstore.Store: a backend or
// wrapper is right when Run passes on it. A backend's own test is three lines.
package objstoretest
