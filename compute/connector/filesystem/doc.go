// Package filesystem is Flink's filesystem connector for local files: Parquet, JSON lines
// and CSV, read once, watched for new files, or replayed in event time; and a sink that
// publishes each commit's rows as one file, exactly once.
//
// A source's splits are files. A file is known by path, size and modification time; its
// position is how far it was read. A file that is gone or changed while the job still
// depends on its position is connector.ErrPositionLost, by name: files are data, and a
// result must not silently come from other data than was recorded.
//
// A sink's commit is a manifest below ".weir" in its directory, numbered without gaps and
// written by put-if-absent, so that of two owners of a job only one commits; the rows are
// staged before it and appear under their visible name after it, also if the process dies
// in between.
package filesystem
