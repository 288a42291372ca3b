// Package revision repairs rows of a table that were wrong, and lets everything made from them follow.
//
// A revision is one SELECT over the table by its own name that gives the corrected rows of a half-open range of time.
// The service compares them with the rows the table has, hands the difference to compute/job, which makes it one
// epoch's change of the table, waits until all tables downstream have taken it in, and keeps the books in the ledger
// sys.revisions. An undo is a revision too: the inverse difference, laid over what the table has become.
//
// Reading order: request.go (what is asked for, and what is refused), compare.go (the difference), run.go (from the
// difference to the end), impact.go (who may be revised, and what follows), ledger.go.
//
// web/api, the CALL procedure and through them `weir revise` use it; cmd/weir wires it. Until a revision is decided
// nothing of the table changes; from then on it happens, also when the process is killed. Ranges of more than
// 512 MiB of encoded rows are Exhausted. docs/revisions.md is for users, docs/protocol.md has the rules.
package revision
