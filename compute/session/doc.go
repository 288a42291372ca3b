// Package session executes statements: one Session holds what a client has set (current database,
// variables, temporary tables and views), binds each statement against the warehouse's catalog and
// routes it: definitions to the catalog, queries to the Querier, streaming INSERTs to the job manager.
//
// A Session is used by one client at a time. It owns nothing that outlives it; jobs do.
package session
