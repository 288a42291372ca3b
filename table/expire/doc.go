// Package expire removes versions of a table and the files that nothing else
// needs: expiry by age and number, deletion of tags, and rollback.
//
// cmd/weir and the service call it; snapshot.Decide says what may go. A file is
// deleted only if no kept snapshot, tag or branch reads it. A file is live from
// the snapshot that adds it to the one that removes it, so of the versions kept
// only the nearest on each side need to be asked.
//
// Files go first and the version's own file last, so that whatever stops the
// work, the next run finds it and goes on. Deleting is idempotent. It works on
// the table itself; branches share its files and are never expired.
package expire
