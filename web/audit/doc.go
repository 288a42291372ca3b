// Package audit remembers who did what: every request that changes something and every SQL statement, allowed
// or not, with how it ended.
//
// web/api opens an Entry for each request, handlers add what only they know, and the Log writes it as an event
// of the service's log at once and into the metadata database a moment later. The database keeps a bounded
// number of entries for a bounded time; who must keep more keeps the log. Statements are cut short, and lose
// the secrets in their options.
package audit
