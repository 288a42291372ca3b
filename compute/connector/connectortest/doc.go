// Package connectortest holds the conformance suites of connectors: what every Source
// promises the engine (repeatable reads, restart from any position, a bounded end,
// cancellation, bounded chunks) and every exactly-once Sink (an epoch held once, a new owner
// that goes on, a replaced one that stops). Each connector runs them against the real thing.
package connectortest
