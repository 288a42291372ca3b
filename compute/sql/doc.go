// Package sql turns the text of weir's language, Flink SQL, into syntax trees and
// back. It knows nothing of tables, types of columns or functions: that is the
// binder's work (compute/bind).
//
//   - Split cuts a script into statements with their places.
//   - Parse reads one statement, ParseScript all of them, ParseQuery and ParseExpr a part.
//   - Format prints a tree as text which parses to the same tree.
//
// The lexer and the Pratt parser are written by hand: no Go parser knows the
// language. Nesting is bounded (maxDepth), so hostile text ends in an error and not
// in an exhausted stack. Every error is an *Error: it names line, column, what was
// found, what was expected, and shows the line.
//
// Identifiers keep their case. Keywords and function names have none. Parsed trees
// carry places (Pos); two trees are the same when they differ in places only.
package sql
