// Package kafkaconn runs the Kafka connector's conformance suites, of sources and of
// exactly-once sinks, against a real broker.
package kafkaconn
