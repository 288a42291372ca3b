// Package rowjson is the one JSON encoding of rows, used by the command line, the
// REST API, pushes and files: Arrow batches to JSON objects and back.
//
//	BOOLEAN, integers      JSON booleans and numbers (BIGINT may pass 2^53)
//	FLOAT, DOUBLE          shortest text that parses back; "NaN", "Infinity", "-Infinity"
//	DECIMAL                string with the declared scale
//	CHAR, VARCHAR          string
//	BINARY, VARBINARY      base64 string with padding
//	DATE, TIME(p)          "yyyy-MM-dd", "HH:mm:ss" with p fraction digits
//	TIMESTAMP(p)           "yyyy-MM-dd HH:mm:ss" with exactly p fraction digits
//	TIMESTAMP_LTZ(p)       the same in UTC with Z
//	ARRAY                  array
//	MAP, MULTISET          array of [key, value] pairs, sorted by the pair's text
//	ROW                    object
//	VARIANT                string with the value's JSON text
//
// Decoding accepts what encoding gives, and besides numbers as strings, decimals
// as numbers, ISO-8601 timestamps and maps as objects. A value that does not fit
// is an errkind.Invalid error that names row, column, expected type and what was found.
package rowjson
