// Package console is the page at /: the tables, the jobs with live counters, and a box that runs SQL. It is
// three static files that use the public API with the caller's token, which stays in the browser
// tab's session storage.
package console
