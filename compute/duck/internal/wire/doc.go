// Package wire is the protocol between a process that asks for queries and a DuckDB
// worker process: length-framed messages over the worker's stdin and stdout.
//
// A frame is
//
//	uint32 big-endian  length of what follows, 5..MaxFrame
//	uint8              Kind
//	uint32 big-endian  stream: which input stream the frame belongs to, else 0
//	bytes              payload: JSON of a message, or bytes of an Arrow IPC stream
//
// The worker answers Setup with Ready. One query is
//
//	asker  -> Request                       worker -> Taken
//	                                        worker -> Open(stream), Credit(stream)...
//	asker  -> Data(stream)... End(stream)   worker -> Close(stream)
//	worker -> Result... then Done or Failed
//
// A query whose worker died before Taken was not begun and can go to another worker.
// Data and Result payloads are pieces of an Arrow IPC stream, cut anywhere. A Credit
// asks for one record batch, so neither side buffers more than it asked for. Cancel may
// come at any time after Request; the worker still ends with Done or Failed.
// Both sides are the same binary, so the protocol has no versions.
package wire
