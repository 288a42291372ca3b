// Command weir is a streaming warehouse over Apache Paimon tables: streams write
// them, SQL keeps them, people query them, and every row can say where it came
// from. See README.md; `weir --help` lists the commands.
package main
