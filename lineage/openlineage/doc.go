// Package openlineage tells other systems of the service's jobs: it watches the lineage index and sends OpenLineage
// events (https://openlineage.io/spec/2-0-2), run by run, to an HTTP endpoint or a file.
//
// A run is a job from its start to its end or failure: START, then RUNNING while it commits, at most once a minute,
// then COMPLETE or FAIL. A batch statement is a START and a COMPLETE once its snapshot is there. Events carry the
// tables with schema and version, and for the output the lineage of its columns.
//
// Telling must never hold up what is told of: events wait in a queue of limited length, are tried a limited number of
// times, and are then dropped and counted.
package openlineage
