package main

import (
	"bufio"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// stateMemoryMax is the most memory that jobs get for their state without being told: more of it is a decision.
const stateMemoryMax = 8 << 30

// stateMemory is the limit of the state of all jobs: as asked for, else half of the machine's memory up to 8 GiB, the
// other half being for queries, buffers and files.
func stateMemory(asked bytesValue) int64 {
	if asked > 0 {
		return int64(asked)
	}
	n := machineMemory(os.DirFS("/"))
	if n == 0 {
		return 0 // not known: the engine's own default
	}
	return min(n/2, stateMemoryMax)
}

// machineMemory is the memory this process may have, in bytes: the machine's, or that of its control group where that
// is less. It is 0 where neither says.
func machineMemory(machine fs.FS) int64 {
	var total int64
	if data, err := fs.ReadFile(machine, "proc/meminfo"); err == nil {
		total = memTotal(strings.NewReader(string(data)))
	}
	for _, name := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		data, err := fs.ReadFile(machine, name)
		if err != nil {
			continue
		}
		// "max" is no limit.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n > 0 && (total == 0 || n < total) {
			total = n
		}
	}
	return total
}

// memTotal is the line "MemTotal: n kB" in bytes.
func memTotal(r io.Reader) int64 {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 2 && f[0] == "MemTotal:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
