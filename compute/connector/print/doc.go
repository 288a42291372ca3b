// Package print is Flink's print connector: a sink that writes each change as a line.
//
// The lines go to a writer that cmd passes in. What was printed cannot be taken back or
// asked for, so the sink is at-least-once: after a restart an epoch may be printed again.
package print
