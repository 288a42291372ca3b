// Package job runs statements that keep going: it ticks the clock, records what each epoch
// holds, drives one dataflow per job through its epochs, commits what comes out exactly
// once, and brings jobs back after any crash.
//
// A Manager owns the jobs of one warehouse. Its coordinator asks the sources of all jobs
// how far they could read, writes one log record for all of them (compute/epoch), and wakes
// the jobs that have work. A job's runner takes the changes of each epoch from its
// inputs, steps its dataflow (compute/stream), and commits the result with the epoch and the
// exact input versions in the snapshot's properties. Jobs that read tables are woken by the
// commits of the jobs that write them. docs/protocol.md has the rules and the failures they prevent.
//
// Nothing here is the truth: a job's definition stands in the log, its progress in the log and in
// its own last snapshot, its state can be rebuilt from its inputs.
package job
