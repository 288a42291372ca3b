// Package faultstore wraps an objstore.Store with faults, for tests: errors, lost
// replies, delays, a full disk, cut, truncated or damaged reads, and a crash after
// which nothing works until Revive. Callers are the tests and simulations of every
// layer that stores something.
//
// Faults follow rules, one a line:
//
//	OP GLOB [WHEN]: FAULT       # comment
//
//	put snapshot/* 3rd: lost-reply
//	get **.parquet every 10th: truncate 100
//	any ** @17+: enospc
//	stat ** 5%: error
//
// OP is get, stat, list, listdirs, delete, create, write, close, overwrite (Put),
// absent (PutIfAbsent); or a group: put (overwrite, absent and close: each way to
// publish an object), write-any (all that changes the store, delete too), any.
//
// GLOB matches the key (of list and listdirs the prefix): * within a segment, ** over
// slashes, ? one character.
//
// WHEN counts the rule's matches from 1: 3rd only the third, 3rd+ that and all later,
// every 10th; 5% a seeded share; @17 the store's 17th operation whatever it is, @17+
// that and all later. Without WHEN each match.
//
// FAULT is
//
//	error         kind Unavailable, nothing done
//	lost-reply    done, and then kind Unavailable
//	denied        kind Denied, nothing done
//	not-found     objstore.ErrNotFound, nothing done
//	enospc        kind Exhausted with ENOSPC, nothing done (of a write: half the bytes)
//	delay 50ms    waits, then goes on
//	truncate N    a get ends after N bytes as if the object were that short
//	cut N         a get fails after N bytes with kind Unavailable
//	corrupt       one seeded bit of a get's bytes is wrong
//	crash         from now on nothing is done and everything fails with ErrCrashed
//	crash-after   done, and then as crash
//
// The first rule that applies decides, except that a delay lets later rules apply.
// Shares and bits depend only on the seed, the rule, the key and how often the rule
// met that key, so they do not change with the order of goroutines.
package faultstore
