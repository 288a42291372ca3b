// Package duck runs bound plans in DuckDB: it prints them as DuckDB SQL, sends
// the text with its inputs to worker processes of the same binary, and streams
// Arrow batches back.
//
// Callers are the batch runner, interactive queries, verification and the rare stream
// operators; they use Execute with a plan or Pool.Run with ready SQL. The asking
// process never opens DuckDB: only the worker (compute/duck/worker, run by
// `weir __duck-worker`) links to it, under limits of the operating system, because
// DuckDB's own memory limit and interrupt do not bound a process.
//
// Invariants:
//   - DuckDB gets only text printed here from a bound plan. A function is printed as
//     DuckDB's own only if the table of proved-equal functions has it for these
//     argument types; every other one runs as the Go code of compute/expr
//     inside the worker.
//   - One query per worker at a time. A cancelled query is interrupted and, after
//     a grace, killed with its worker; no other query notices.
//   - Data is pulled batch by batch in both directions, so memory does not grow
//     with the size of an input or a result.
//
// Failures carry kinds: errkind.Invalid for what the statement does (division by
// zero, a failing cast), errkind.Exhausted for memory, temporary space or a worker killed at
// its limit, errkind.Canceled, errkind.Unavailable for a worker that cannot be
// started, errkind.Corrupt for unreadable files; the rest are bugs.
package duck
