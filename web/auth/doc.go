// Package auth knows who calls: bearer tokens, kept as hashes in the metadata database.
//
// web asks it for every request; cmd/weir makes the first token and keeps it in a file of the service's data
// folder, from which a lost metadata database gets it back. Tokens are random, so their SHA-256 is
// as good a secret as they are; checking one costs a look into a small cache.
//
// Errors: denied for a token that is not known, not_found for one to revoke that is not there.
package auth
