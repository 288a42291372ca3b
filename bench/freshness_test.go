package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var d []time.Duration
	for i := 100; i > 0; i-- {
		d = append(d, time.Duration(i)*time.Second)
	}
	for p, want := range map[int]time.Duration{0: 1, 50: 50, 99: 99, 100: 100} {
		if got := percentile(d, p); got != want*time.Second {
			t.Errorf("p%d is %s, want %d s", p, got, want)
		}
	}
	if d[0] != 100*time.Second || percentile(nil, 99) != 0 {
		t.Error("the figures were changed, or none were expected to be one")
	}
}

// Every row of a batch is one of the carrier's, and carries the batch's number.
func TestBatch(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(batch(carriers+3))), "\n")
	if len(lines) != batchRows {
		t.Fatalf("%d rows", len(lines))
	}
	seen := map[int]bool{}
	for _, l := range lines {
		var row struct {
			Carrier string `json:"carrier"`
			Flight  int    `json:"flight"`
			Delay   int    `json:"dep_delay"`
		}
		if err := json.Unmarshal([]byte(l), &row); err != nil || row.Carrier != carrier(3) || row.Delay != carriers+3 {
			t.Fatalf("%+v %v", row, err)
		}
		seen[row.Flight] = true
	}
	if len(seen) != batchRows {
		t.Errorf("%d flights", len(seen))
	}
}

// A batch is visible once its number or a later one of the same carrier is; one of another carrier says nothing.
func TestSee(t *testing.T) {
	at := time.Now().Add(-time.Second)
	l := &load{sent: map[int]time.Time{1: at, 2: at, 1 + carriers: at}}
	l.see(map[string]int{carrier(1): 1}, at)
	if l.waiting() != 2 || len(l.result.visible) != 1 || l.result.visible[0] < time.Second {
		t.Errorf("%+v", l.result)
	}
	l.see(map[string]int{carrier(1): 1 + 2*carriers, carrier(2): 1}, at)
	if _, there := l.sent[2]; l.waiting() != 1 || !there {
		t.Errorf("%+v", l.sent)
	}
}

func TestWrongArguments(t *testing.T) {
	for _, c := range []struct {
		says string
		args []string
	}{
		{"freshnes", []string{"freshnes"}},
		{"-rows 100", []string{"freshness", "-rows", "100"}},
		{"/none/weir", []string{"-weir", "/none/weir"}},
	} {
		if err := run(t.Context(), c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
}
