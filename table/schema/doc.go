// Package schema holds Paimon's data types, versions of table schemas and their
// evolution, typed table options, the BinaryRow codec, and the mapping of types
// to Arrow.
//
// Everything above reads it: manifest and commit for rows and options, write and
// scan for columns and paths, compute for the types of SQL. All is pure but Files,
// which reads and writes the schema files.
//
// Invariants: a Schema that Parse or Validate let through has unique column
// names and keys that exist; options and fields that weir does not know are
// written back as they were read. Bytes that are no schema or no row are errors
// of kind corrupt, options and types out of range of kind invalid.
package schema
