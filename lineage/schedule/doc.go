// Package schedule runs backfills: statements that recompute a range of partitions, at the ticks of a cron line or by
// hand.
//
// A backfill is one INSERT OVERWRITE with ${start} and ${end}, the interval from the tick before to this one. Its clock
// is the wall's or the watermark of a table. cmd/weir owns one Scheduler, which one goroutine works for: slice after
// slice, after the live jobs and queries. web/api, the command line and CALL sys.create_backfill(..) ask it.
//
// Decisions are pure functions of what was observed: which ticks a clock has passed (Line), which of them are run
// (Policy.Due), into which slices a range is cut (Slices) and which partitions a slice replaces (Partitions). The
// Scheduler does what they say and keeps its books in the ledgers sys.backfills and sys.backfill_runs, so that a start
// with an empty metadata database goes on where the last one was.
//
// Invariants: a tick is claimed by put-if-absent before it is run, and the newest tick decided is in the ledger and
// never goes back, so no tick is run twice, whatever the clock does. A slice's rows and the fact that it is done are
// one snapshot; a run that goes on after a crash looks for it in the table's history before it computes the slice. A
// slice whose rows are there already makes no snapshot.
//
// Errors: what people ask wrongly is Invalid, NotFound or Exists; a run that fails is retried a few times, then recorded
// as failed with its error, and the ticks after it go on.
package schedule
