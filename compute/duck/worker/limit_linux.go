//go:build duckdb_arrow && cgo

package worker

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// limitMemory lets the process take at most bytes of memory above what it holds
// now. RLIMIT_DATA counts private writable mappings: heaps of C and Go, thread
// stacks; not the binary, nor address space that Go only reserves.
func limitMemory(bytes int64) error {
	used, err := dataBytes()
	if err != nil {
		return err
	}
	n := uint64(used + bytes)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		return fmt.Errorf("limit memory to %d bytes: %w", n, err)
	}
	return nil
}

// dataBytes is VmData of this process.
func dataBytes() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read memory in use: %w", err)
	}
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte("VmData:"))
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory in use: %w", err)
		}
		return kb << 10, nil
	}
	return 0, fmt.Errorf("read memory in use: /proc/self/status has no VmData")
}
