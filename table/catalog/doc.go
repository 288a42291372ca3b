// Package catalog is Paimon's filesystem catalog: a warehouse is a folder of
// databases "<db>.db", a database a folder of tables, and a table is there iff
// it has a schema file. Names are case-sensitive.
//
// compute/session, olap and web ask it for tables; tables of connectors are kept
// as Paimon keeps them, as a schema with options and no data. Secrets in options
// may only be references (${env:X}, ${file:X}); plain ones are refused, because
// everybody who reads the warehouse reads the options.
//
// Errors: ErrNoDatabase, ErrDatabaseExists, schema.ErrNoTable and
// schema.ErrTableExists; a folder that is no warehouse is of kind invalid.
package catalog
