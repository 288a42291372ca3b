// Package connector is the contract between the engine and what lies outside the
// warehouse: sources with splits and replayable positions, sinks that know what they
// hold, and the registry that cmd/weir fills. One sub-package per third-party system.
//
// It is called by compute/job, which reads sources by logged ranges of positions and writes
// sinks by epoch, and by compute/session, which validates tables. What every source promises
// is in connectortest. A row that cannot be decoded is a DeadLetter with its place and never
// an error of the source, unless the table says otherwise; a position that cannot be read any
// more is ErrPositionLost and never a silent reset. The rest of the package is what
// connectors share: options by type, which name what is unknown, missing or malformed.
package connector
