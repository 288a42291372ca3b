// Package compact rewrites sorted runs of primary-key tables and small files of
// append tables. The choice is storage/lsm's; the work happens here, and the
// result is a message for a COMPACT commit, which changes no row.
//
// The service's compaction jobs and `weir table compact` call it. It can be
// cancelled at any time: files written until then are deleted. Memory is bounded
// by one batch a run and one row group of the output.
package compact
