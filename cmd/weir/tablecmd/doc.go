// Package tablecmd is `weir table`: commands that work on a Paimon table's folder
// without a server and without a warehouse around it.
//
// cmd/weir mounts Command. Rows go to stdout as JSON lines (table/rowjson); with
// --json every other command prints one JSON object. Errors are the caller's to
// print: each says what, where, and what to do.
package tablecmd
