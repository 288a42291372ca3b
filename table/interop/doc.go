// Package interop holds tables that Java Paimon wrote and reads them with weir.
//
// testdata has one folder a table: the table directory as Java Paimon 1.4.2 left it
// under table/, and in cases.json what Java reads from it, case by case, with the
// rows beside it in the encoding of table/rowjson.
package interop
