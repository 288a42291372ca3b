package commit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

func TestProvenanceRoundTrip(t *testing.T) {
	for _, want := range []commit.Provenance{
		{},
		{Job: "j", Epoch: 1},
		{Epoch: 2, Statement: "INSERT INTO t SELECT 1", Database: "d", User: "ann"},
		{Epoch: 3, Pushed: true},
		{
			Job: "j", Run: "r", Term: 3, EpochFrom: 4, Epoch: 1 << 60, SQL: "abc", Clock: 1_700_000_000_000, Changes: commit.ChangesExact, Writer: "v1",
			Prev: &snapshot.Identity{Table: "/w/d.db/t", ID: 9, Hash: "aa"},
			Inputs: []commit.Input{
				{Table: "/w/d.db/u", ID: 7, Hash: "bb", From: 5},
				{Source: "d.k", Kind: "kafka", Start: map[string]string{"t/0": "1"}, End: map[string]string{"t/0": "9"}},
				{Source: "d.f", Kind: "filesystem", Files: []commit.InputFile{{Path: "a \"b\".parquet", Size: 3, ETag: "x"}}},
			},
		},
	} {
		props, err := want.Properties()
		if err != nil {
			t.Fatal(err)
		}
		for name := range props {
			if !strings.HasPrefix(name, "weir.") {
				t.Errorf("property %s", name)
			}
		}
		got, err := commit.ProvenanceOf(&snapshot.Snapshot{Properties: props})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}

func TestLongStatementIsLeftOut(t *testing.T) {
	props, err := commit.Provenance{Epoch: 1, Statement: strings.Repeat("x", commit.StatementMax+1), Database: "d", User: "ann"}.Properties()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{commit.PropEpoch: "1", commit.PropUser: "ann"}
	if diff := cmp.Diff(want, props); diff != "" {
		t.Error(diff)
	}
}

func TestProvenanceOfForeignAndDamagedSnapshots(t *testing.T) {
	foreign := &snapshot.Snapshot{Properties: map[string]string{"other.engine": "1"}}
	if p, err := commit.ProvenanceOf(foreign); err != nil || p.Job != "" || p.Epoch != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	for name, value := range map[string]string{commit.PropEpoch: "seven", commit.PropTerm: "", commit.PropPrev: "{", commit.PropInputs: `{"table":1}`} {
		_, err := commit.ProvenanceOf(&snapshot.Snapshot{ID: 4, Properties: map[string]string{name: value}})
		if errkind.Of(err) != errkind.Corrupt || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "snapshot 4") {
			t.Errorf("%s = %q: %v", name, value, err)
		}
	}
}

func FuzzProvenanceOf(f *testing.F) {
	f.Add("7", `{"table":"t","id":1,"hash":"x"}`, `[{"table":"t","snapshot":1},{"start":{"a":"b"},"files":[{"path":"p"}]}]`)
	f.Fuzz(func(t *testing.T, epoch, prev, inputs string) {
		p, err := commit.ProvenanceOf(&snapshot.Snapshot{Properties: map[string]string{commit.PropEpoch: epoch, commit.PropPrev: prev, commit.PropInputs: inputs}})
		if err != nil {
			return
		}
		if _, err := p.Properties(); err != nil {
			t.Errorf("%+v cannot be written: %v", p, err)
		}
	})
}
