// Package ledger keeps the books of the service as tables: what was revised, which backfills ran. A ledger is a
// Paimon primary-key table of database sys, created at its first row, written a few rows at a time, and read by
// SQL as sys.<name> like any table. Nothing of it is held anywhere else, so it is found again with an empty
// metadata database and by every other engine.
//
// lineage/revision and lineage/schedule own one or more each. A Put is durable when it returns and replaces the
// rows of the same keys. Entries of one ledger are written by one process, the owner of the warehouse;
// Options.Fence makes an owner that was replaced fail instead of writing. A ledger takes no part in epochs: its
// newest version is what a query sees. Errors are those of table.Table; a row that does not fit the columns is
// Invalid and names the column.
package ledger
