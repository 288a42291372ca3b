// Package expr is the typed expression tree of bound SQL, the one table of built-in
// functions with their type rules, and their evaluation over Arrow batches.
//
// The binder builds trees (Apply, Lookup, LookupAgg, CommonType, Fold), the stream engine
// and the worker's Go functions evaluate them (Compile, Program), and the DuckDB printer
// prints those proved to mean the same there. Flink's documented behaviour is the meaning
// everywhere (docs/semantics.md); testdata/*.txt shows it function by function.
//
// # Evaluation
//
// A Program evaluates a batch at a time: comparison, arithmetic, logic and casts between
// numbers are plain loops over Go slices. CASE, IF, COALESCE, AND and OR evaluate an argument
// only for the rows that need it, so a division by zero or a failed cast counts only there.
// A row that fails makes the whole evaluation fail, with an error of kind Invalid that names the
// function and the value; a function that would make too much text fails with kind Exhausted.
// Results never share memory with a batch that may be released, and depend on nothing but the
// batch and Env: the clock, the watermark, the seed and the session time zone are data.
//
// # Where Flink's documentation leaves room
//
//   - Integers wrap; an integer or DECIMAL divided by zero is an error; a DECIMAL that needs
//     more digits than its type has is NULL; FLOAT and DOUBLE follow IEEE 754, NaN = NaN is FALSE.
//   - Characters are code points in CHAR_LENGTH, SUBSTRING, LEFT, RIGHT, POSITION, LOCATE, INSTR
//     and the TRIM family, UTF-16 units in LPAD, RPAD, OVERLAY and REGEXP_INSTR: as Flink counts them.
//   - Regular expressions are Java's as far as they can be matched in linear time. Look-around,
//     back references and the like are refused, and a wrong pattern is an error where Flink
//     logs it and goes on with NULL or FALSE.
//   - Dates and times before 1970 round down. Flink rounds some of them toward 1970.
//   - TIMESTAMP(7) to TIMESTAMP(9) hold the years 1678 to 2261.
//   - A time zone that does not exist is an error, not UTC.
//   - A string is compared with a number, a date or a time in the other's type; a DATE with a
//     TIMESTAMP as a TIMESTAMP; intervals can be divided and timestamps subtracted.
//   - Transcendental functions (POWER, EXP, LOG, SIN, ...) agree with Java's but for the last bit.
package expr
