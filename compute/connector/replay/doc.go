// Package replay plays a bounded set of rows back in event time: a connector.Source that
// releases rows at the pace of their time column, for demonstrations, tests and trials of
// a stream on recorded data.
//
// The rows (a file's, or the result of a query over files) are read once, sorted by time
// and then by the canonical row order, and held in memory as columns. A Position is a row
// number with a fingerprint of all rows: the same rows always play in the same order, and
// rows that have changed since a position was recorded are ErrPositionLost. The pace starts
// anew when a source is opened, at the row it goes on from; time spent stopped is not made
// up for. Which rows an epoch takes is in the epoch log, so a replay under way is exact
// whatever its pace.
package replay
