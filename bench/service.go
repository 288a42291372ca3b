package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopWait bounds a service's orderly end.
const stopWait = 30 * time.Second

// service is a weir process with a new warehouse.
type service struct {
	cmd   *exec.Cmd
	dir   string
	url   string
	token string
}

// startService starts the binary and waits until it is ready.
func startService(ctx context.Context, binary string, epoch time.Duration) (*service, error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, fmt.Errorf("warehouse: %w", err)
	}
	s := &service{dir: dir}
	data := filepath.Join(dir, "data")
	s.cmd = exec.CommandContext(ctx, binary, "serve", "--warehouse", filepath.Join(dir, "warehouse"), "--data", data,
		"--listen", "127.0.0.1:0", "--epoch", epoch.String())
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = stopWait
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		s.url, _ = strings.CutPrefix(lines.Text(), "ready ")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // it must not block on a full pipe
	text, err := os.ReadFile(filepath.Join(data, "token"))
	if s.url == "" || err != nil {
		s.stop()
		return nil, fmt.Errorf("%s did not become ready: %w", binary, err)
	}
	s.token = strings.TrimSpace(string(text))
	return s, nil
}

// stop ends the service and removes its warehouse.
func (s *service) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.cmd.Wait()
	os.RemoveAll(s.dir)
}

// post sends a request and decodes the answer into out; nil drops it.
func (s *service) post(ctx context.Context, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s answers %s: %s", path, res.Status, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// statement is the body of POST /v1/query.
type statement struct {
	SQL         string            `json:"sql"`
	Consistency string            `json:"consistency,omitempty"`
	Variables   map[string]string `json:"variables,omitempty"`
}

func (s *service) query(ctx context.Context, q statement, out any) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return s.post(ctx, "/v1/query", body, out)
}
