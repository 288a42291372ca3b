// Package kafka is the Kafka connector, with Flink's option names: topics as tables, read by
// offset and written in one transaction per commit.
//
// A source's splits are "topic/partition". A Position holds the offset, where the split's
// reading began and the topic's id, so that a range is the same rows after any restart: a
// topic that was deleted and made again, or an offset that retention or truncation has
// removed, is connector.ErrPositionLost and never a silent reset. Kafka forgets by itself,
// so the connector is passing: stateful jobs read it through a landing table.
//
// Unlike Flink, a source reads committed transactions only, unless
// 'properties.isolation.level' says otherwise, and a sink is exactly-once by default: each
// commit is a transaction that holds the rows and a record of (job, epoch, term) in a
// compacted topic beside them, and a new owner of the job fences the old one by its
// transactional id.
//
// Only this package imports the client library.
package kafka
