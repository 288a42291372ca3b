// Package api is the REST interface: it translates HTTP to sessions, jobs, tables and queries, and errors to
// RFC 9457 problems. It decides nothing itself.
//
// web mounts it behind authentication and limits. openapi.json, generated from the handlers and
// checked in, is the contract; a test compares the two.
//
// Answers with rows are streamed. An error before the first MiB of an answer is a problem with a status
// of its own; after that the status is spent, so JSON and NDJSON end with an "error" member or line, CSV
// and Arrow end with a broken connection, never as if they were complete.
package api
