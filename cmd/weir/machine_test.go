package main

import (
	"os"
	"testing"
	"testing/fstest"
)

func TestMachineMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"nothing":             {fstest.MapFS{}, 0},
		"machine":             {fstest.MapFS{"proc/meminfo": file("MemTotal:       16384 kB\nMemFree: 1 kB\n")}, 16 << 20},
		"no limit":            {fstest.MapFS{"proc/meminfo": file("MemTotal: 16384 kB\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 16 << 20},
		"group":               {fstest.MapFS{"proc/meminfo": file("MemTotal: 16384 kB\n"), "sys/fs/cgroup/memory.max": file("1048576\n")}, 1 << 20},
		"group over it":       {fstest.MapFS{"proc/meminfo": file("MemTotal: 1 kB\n"), "sys/fs/cgroup/memory.max": file("1048576\n")}, 1 << 10},
		"old group, no /proc": {fstest.MapFS{"sys/fs/cgroup/memory/memory.limit_in_bytes": file("4096")}, 4096},
		"nonsense":            {fstest.MapFS{"proc/meminfo": file("MemTotal: many\n")}, 0},
	} {
		if got := machineMemory(c.files); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if machineMemory(os.DirFS("/")) <= 0 || stateMemory(0) <= 0 || stateMemory(0) > stateMemoryMax || stateMemory(5) != 5 {
		t.Errorf("this machine: %d, state %d", machineMemory(os.DirFS("/")), stateMemory(0))
	}
}
