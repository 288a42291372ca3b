package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/web/api"
)

func TestTheTreeOfAGraph(t *testing.T) {
	edge := func(from, to, version string, delay int64, n int) lineage.TableEdge {
		return lineage.TableEdge{From: from, To: to, Job: "j", Kind: lineage.WriterJob, State: "running", Snapshot: 4, Version: version,
			Delay: &lineage.HopDelay{Last: delay, N: n}}
	}
	now := time.UnixMilli(100_000)
	g := &lineage.Graph{Table: "d.out", Direction: lineage.Both,
		Nodes: []lineage.TableNode{{ID: "d.out", Kind: "table", Snapshot: 4, Committed: 97_000, Writers: []lineage.Writer{{Kind: lineage.WriterForeign, ID: "u"}}}},
		Edges: []lineage.TableEdge{edge("d.src", "d.a", "1", 70, 9), edge("d.src", "d.b", "1", 80, 1), edge("d.a", "d.out", "2", 90, 9),
			edge("d.b", "d.out", "3", 0, 9), edge("d.loop", "d.src", "", 0, 1), edge("d.src", "d.loop", "", 0, 1)}}
	var out bytes.Buffer
	newLineageTree(g, now).write(&out)
	want := `d.out (snapshot 4, 3s old, written by foreign:u)
is made from
├─ d.a  [job j, snapshot 4 from 2, 90ms later]
│  └─ d.src  [job j, snapshot 4 from 1, 70ms later]
│     └─ d.loop  [job j, snapshot 4]
│        └─ d.src  [job j, snapshot 4] (shown above)
└─ d.b  [job j, snapshot 4 from 3, 0s later]
   └─ d.src  [job j, snapshot 4 from 1] (shown above)
goes into nothing that is known
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}

	out.Reset()
	g.Snapshot, g.Direction = 4, lineage.Up
	g.Edges = []lineage.TableEdge{{From: "d.a", To: "d.out", Job: "batch", Kind: lineage.WriterBatch, Snapshot: 4, Version: "7", VersionOf: 5},
		{From: "d.b", To: "d.out", Job: "j", Kind: lineage.WriterJob, State: "stopped", Snapshot: 4, Version: "7", VersionOf: 7}}
	newLineageTree(g, now).write(&out)
	for _, want := range []string{"d.a  [batch, snapshot 4 from 5 to 7]", "d.b  [job j (stopped), snapshot 4 from 7, which it had taken before]"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
	if strings.Contains(out.String(), "goes into") {
		t.Errorf("down was not asked for: %s", out.String())
	}
}

func TestLineageCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"lineage", "t", "--up", "--down"}, "--up and --down"},
		{[]string{"lineage", "t", "--depth=-1"}, "must not be negative"},
		{[]string{"lineage"}, "<name>"},
	} {
		if code, _, errs := weir(t, "", c.args...); code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("weir %v: exit %d, %q", c.args, code, errs)
		}
	}
	var _ api.Lineage = (*lineage.Index)(nil)
}
