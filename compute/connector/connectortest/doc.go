// Package connectortest is the conformance suite of connectors: what every Source
// promises the engine (repeatable reads, restart from any position, a bounded end,
// cancellation, bounded chunks), run against the real thing by each connector's tests.
package connectortest
