// Package errkind sorts errors into the few kinds that callers across layers act on.
//
// A package declares its own sentinels with New; callers in the same layer test
// the sentinel with errors.Is, callers in other layers test the kind with Of.
// web/api turns kinds into HTTP statuses, cmd/weir into exit codes; nothing else does.
package errkind
