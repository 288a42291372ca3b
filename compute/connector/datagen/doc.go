// Package datagen is Flink's datagen connector: a source of made-up rows.
//
// Every value is a function of the seed, the row number and the column, so that a range
// of rows read again after a restart is the same; a Position is a row number and the time
// of row 0, from which generated timestamps count. It differs from Flink in that alone:
// there, a restart gives other random values.
package datagen
