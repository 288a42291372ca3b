// Package kafkaconn runs the Kafka connector against a real broker: the conformance suite
// of sources, and the exactly-once sink through an owner that is replaced.
package kafkaconn
