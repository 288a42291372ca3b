// Package bindtest is a catalog in memory, filled by SQL text, for tests that need bound
// plans: of the binder, of the rewrites, of the engines. It belongs to one goroutine and
// fails with the errors of the binder.
package bindtest
