// Package testpeer finds the real programs that tests run against: servers built
// into .cache/bin of the checkout, Java, PostgreSQL. Tests of a peer that is not
// there are skipped, with the command that brings it; WEIR_REQUIRE_PEERS=1 (as
// make test sets it) turns the skip into a failure, so that nothing is lost unseen.
package testpeer
