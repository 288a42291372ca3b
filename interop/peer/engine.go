package peer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weir-lake/weir/internal/testpeer"
)

const (
	javaHeap = "-Xmx768m"
	// stderrBytesMax bounds what is kept of an engine's complaints.
	stderrBytesMax = 64 << 10
	// lineBytesMax bounds one row.
	lineBytesMax = 64 << 20
)

// JavaRead returns the newest rows of the table in the folder path as Java Paimon
// reads them. To ask more than once, Java starts one process for all.
func JavaRead(t testing.TB, path string) []string {
	t.Helper()
	return Java(t).Read(path)
}

// PypaimonRead returns the newest rows of the table as pypaimon reads them.
func PypaimonRead(t testing.TB, path string) []string {
	t.Helper()
	return Pypaimon(t).Read(path)
}

// Engine is a running reader of tables. Its methods end the test when the engine
// reports an error; Try does not. It takes one call after the other.
type Engine struct {
	t    testing.TB
	name string

	mu struct {
		sync.Mutex
		in     io.WriteCloser
		out    *bufio.Scanner
		stderr *limitedBuffer
	}
}

// Java starts Java Paimon until the test ends.
func Java(t testing.TB) *Engine {
	t.Helper()
	const fix = "scripts/peers.sh java"
	java := testpeer.InPath(t, "java", "apt-get install openjdk-17-jdk-headless")
	peers := peersDir(t)
	classes := filepath.Join(peers, "java-classes")
	if _, err := os.Stat(filepath.Join(classes, "PaimonPeer.class")); err != nil {
		testpeer.Missing(t, "Java Paimon ("+classes+")", fix)
	}
	classpath := classes + ":" + filepath.Join(peers, "java-lib") + "/*"
	return startEngine(t, "Java Paimon", exec.Command(java, javaHeap, "-XX:+UseSerialGC", "-Djava.io.tmpdir="+t.TempDir(), "-Duser.timezone=UTC", "-cp", classpath, "PaimonPeer"))
}

// Pypaimon starts pypaimon until the test ends. It only reads.
func Pypaimon(t testing.TB) *Engine {
	t.Helper()
	python := filepath.Join(peersDir(t), "venv", "bin", "python")
	if _, err := os.Stat(filepath.Join(peersDir(t), ".pypaimon.stamp")); err != nil {
		testpeer.Missing(t, "pypaimon ("+python+")", "scripts/peers.sh pypaimon")
	}
	return startEngine(t, "pypaimon", exec.Command(python, filepath.Join(testpeer.Root(t), "interop", "python", "read.py")))
}

func peersDir(t testing.TB) string { return filepath.Join(testpeer.Root(t), ".cache", "peers") }

func startEngine(t testing.TB, name string, cmd *exec.Cmd) *Engine {
	t.Helper()
	e := &Engine{t: t, name: name}
	e.mu.stderr = &limitedBuffer{}
	cmd.Stderr = e.mu.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	e.mu.in, e.mu.out = in, bufio.NewScanner(out)
	e.mu.out.Buffer(nil, lineBytesMax)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // an engine holds nothing worth an orderly end
		_ = cmd.Wait()         // reports our own kill
	})
	return e
}

// Try sends one command, as interop/java/PaimonPeer.java and interop/python/read.py
// describe them, and returns the lines of the answer as they came.
func (e *Engine) Try(args ...string) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	if _, err := e.mu.in.Write(append(text, '\n')); err != nil {
		return nil, fmt.Errorf("%s: %w; it said: %s", e.name, err, e.mu.stderr.String())
	}
	var lines []string
	for e.mu.out.Scan() {
		line := e.mu.out.Text()
		if !strings.HasPrefix(line, `{"_end":`) {
			lines = append(lines, line)
			continue
		}
		var end struct {
			End     string `json:"_end"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(line), &end); err != nil {
			return nil, fmt.Errorf("%s: bad answer %q: %w", e.name, line, err)
		}
		if end.End != "ok" {
			return nil, fmt.Errorf("%s: %s: %s", e.name, strings.Join(args, " "), end.Message)
		}
		return lines, nil
	}
	return nil, fmt.Errorf("%s ended without an answer to %s: %w; it said: %s", e.name, strings.Join(args, " "), e.mu.out.Err(), e.mu.stderr.String())
}

func (e *Engine) call(args ...string) []string {
	e.t.Helper()
	lines, err := e.Try(args...)
	if err != nil {
		e.t.Fatal(err)
	}
	return lines
}

// Read returns the rows of the table, sorted. options are "key=value" table options,
// such as "scan.snapshot-id=3" or "scan.tag-name=x".
func (e *Engine) Read(path string, options ...string) []string {
	e.t.Helper()
	rows := e.call(append([]string{"read", path}, options...)...)
	slices.Sort(rows)
	return rows
}

// ReadSnapshot returns the rows of one snapshot, sorted.
func (e *Engine) ReadSnapshot(path string, snapshot int64) []string {
	e.t.Helper()
	return e.Read(path, "scan.snapshot-id="+strconv.FormatInt(snapshot, 10))
}

// Changelog returns the changes of the snapshots from one on, with _snapshot and
// _kind, in the engine's order (Java only).
func (e *Engine) Changelog(path string, from int64, options ...string) []string {
	e.t.Helper()
	return e.call(append([]string{"changelog", path, strconv.FormatInt(from, 10)}, options...)...)
}

// Write commits rows, which may have _kind, as one batch (Java only).
func (e *Engine) Write(path string, rows []string, options ...string) {
	e.t.Helper()
	file := filepath.Join(e.t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		e.t.Fatal(err)
	}
	e.call(append([]string{"write", path, file}, options...)...)
}

// Schema describes a table to create.
type Schema struct {
	// Columns are pairs of name and type in Paimon's words ("BIGINT NOT NULL").
	Columns       [][2]string       `json:"columns"`
	PrimaryKeys   []string          `json:"primaryKeys"`
	PartitionKeys []string          `json:"partitionKeys"`
	Options       map[string]string `json:"options"`
}

// Create makes an empty table in the folder path (Java only).
func (e *Engine) Create(path string, schema Schema) {
	e.t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		e.t.Fatal(err)
	}
	file := filepath.Join(e.t.TempDir(), "schema.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		e.t.Fatal(err)
	}
	e.call("create", path, file)
}

// Compact compacts every bucket fully (Java only).
func (e *Engine) Compact(path string, options ...string) {
	e.t.Helper()
	e.call(append([]string{"compact", path}, options...)...)
}

// limitedBuffer keeps the first stderrBytesMax bytes of an engine's complaints.
type limitedBuffer struct {
	mu  sync.Mutex
	buf []byte
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p[:min(len(p), stderrBytesMax-len(b.buf))]...)
	return len(p), nil
}

func (b *limitedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.buf)
}
