// Package blackhole is Flink's blackhole connector: a sink that takes every row and keeps
// none. What is not kept cannot be doubled, so it counts as exactly-once.
package blackhole
