// Package bind gives names and types to parsed SQL: it turns the trees of compute/sql
// into plans of compute/plan over tables that a Catalog knows.
//
//   - Query binds a query, Insert an INSERT with its casts to the table's columns.
//   - Table binds a CREATE TABLE: computed columns, watermark, keys.
//   - Scalar binds an expression over given columns.
//
// It is called by compute/session for every statement and by olap for queries. It does
// no I/O but the catalog's and keeps no state: the same text over the same catalog and
// options gives the same plan. Names of tables and columns are case-sensitive, function
// names are not. Types follow Flink's rules, which compute/expr knows.
//
// Every error is a *sql.Error with line and column, of kind invalid, and suggests the
// nearest name where a name is unknown. What the engine has no operator for is refused
// here with the reason, never bound to something near.
//
// The plan is bound but not rewritten; plan.Optimize does that.
package bind
