// Package format turns messages and lines into Arrow rows and back: the formats json,
// debezium-json, csv and raw with Flink's option names, defaults and value forms.
//
// Connectors call it with the bytes of one message or record; it knows nothing of where
// they come from. A Decoder appends the rows of a message to a Batch; a message it cannot
// take leaves no row behind and the error says which column, what was expected and what
// was found, so that the caller can make a dead letter of it. It differs from Flink where
// Flink would lose something silently: a decimal or number outside its type's range is a
// bad row and not NULL, and a row without its key column is a bad row.
package format
