// Package cut keeps cuts that have a name: one version of each of several tables that belong together, held by a
// Paimon tag of that name on every table, so that any engine reads the same cut.
//
// A cut exists when its record does: <warehouse>/.weir/cuts/<name>.json. Making one writes a plan beside it, then
// all tags, then the record, and removes the plan; removing one takes the record away before any tag. What was
// stopped between is found by its plan and finished or undone by Recover. docs/protocol.md gives the rules.
//
// compute/job decides which versions go into a cut, makes the hourly ones and removes them when their time is over;
// lineage/consistency answers queries AS OF TAG from the records.
package cut
