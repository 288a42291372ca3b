// Package push is the source fed by HTTP requests: a bounded buffer in memory per table.
//
// A request's rows are durable only when the job that reads the buffer has committed them;
// until then the request waits on its Ticket. The buffer dies with the process: rows that
// were not acknowledged are then gone and their senders get an error, so nothing that was
// acknowledged is ever lost. A Position names the buffer's incarnation and a row number;
// a range of an earlier incarnation reads as empty, because its rows were either committed
// or never acknowledged. That is right for a job that commits to one table atomically (a
// landing table); a job with several sinks reads the landing table and not this source.
package push
