// Package flights is the quickstart's demo: a year of flights out of New York City, played
// back as a stream of events, and the streaming SQL that keeps five tables from it.
//
// The statements are the .sql files, to be run in the order of their names; data holds the
// Parquet files they read. reference computes the same five tables in plain DuckDB, written
// apart from the streaming SQL, at any cut of event time. README.md tells the story.
package flights
