// Package jsonobj reads and writes JSON objects of a format that others extend:
// fields that this program does not know are kept and written back.
//
// Callers are the packages that own a metadata file (table/schema, table/snapshot).
// Errors are plain: the caller adds the file's name and kind.
package jsonobj
