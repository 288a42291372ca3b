package inspect_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-lake/weir/table/inspect"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/tabletest"
	"github.com/weir-lake/weir/table/write"
)

func liveOf(t *testing.T, f *tabletest.Fixture, s *snapshot.Snapshot) []manifest.Entry {
	t.Helper()
	live, err := inspect.Live(t.Context(), manifest.NewFiles(f.Store, ""), s)
	if err != nil {
		t.Fatal(err)
	}
	return live
}

func TestLayout(t *testing.T) {
	f := tabletest.New(t, []string{"p", "k"}, []string{"p"}, map[string]string{"bucket": "1"})
	w := f.Writer(write.Options{})
	f.Put(w, "+I 1 a x 10", "+I 2 a y 20", "+I 3 b z -")
	live := liveOf(t, f, f.Put(w, "+I 1 a x2 11", "-D 2 a y 20"))
	if got := inspect.Sum(live); got.Files != 3 || got.Rows != 5 || got.Bytes == 0 {
		t.Errorf("sum %+v", got)
	}
	parts, err := inspect.Partitions(f.Schema, live)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%+v %v", parts, err)
	}
	for i, want := range []string{"p=a 4 2 1", "p=b 1 1 1"} {
		p := parts[i]
		if got := fmt.Sprint(p.Path, " ", p.Rows, " ", p.Files, " ", p.Buckets); got != want || p.UpdatedMs == 0 {
			t.Errorf("partition %s at %d, want %s", got, p.UpdatedMs, want)
		}
	}
	buckets, err := inspect.Buckets(f.Schema, live)
	if err != nil || len(buckets) != 2 {
		t.Fatalf("%+v %v", buckets, err)
	}
	if b := buckets[0]; b.Path != "p=a" || b.Bucket != 0 || b.Runs != 2 || len(b.Levels) != 1 || b.Levels[0].Files != 2 || b.Levels[0].Rows != 4 {
		t.Errorf("bucket %+v", b)
	}
}

func TestDescribe(t *testing.T) {
	f := tabletest.New(t, []string{"p", "k"}, []string{"p"}, map[string]string{"bucket": "1"})
	live := liveOf(t, f, f.Put(f.Writer(write.Options{}), "+I 1 a x 10", "+I 7 a - 20", "-D 9 a - -"))
	schemas := schema.NewFiles(f.Store, "")
	got, err := inspect.Describe(t.Context(), f.Schema, &live[0], schemas.Get)
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != "p=a" || !strings.HasPrefix(got.Name, "p=a/bucket-0/") || got.Rows != 3 || *got.Deletes != 1 || got.Source != "append" ||
		*got.MinKey[0] != "1" || *got.MaxKey[0] != "9" || got.CreatedMs == 0 {
		t.Errorf("%+v", got)
	}
	cols := map[string]string{}
	for _, c := range got.Columns {
		text := func(v inspect.Cell) string {
			if v == nil {
				return "-"
			}
			return *v
		}
		cols[c.Name] = fmt.Sprintf("%s %s %d", text(c.Min), text(c.Max), c.Nulls)
	}
	if cols["n"] != "10 20 1" || cols["v"] != "x x 2" {
		t.Errorf("statistics %v", cols)
	}
	// A file of an older schema is described by that one.
	gone := func(context.Context, schema.ID) (*schema.Schema, error) { return nil, schema.ErrNoTable }
	if _, err := inspect.Describe(t.Context(), f.Schema, &live[0], gone); err == nil || !strings.Contains(err.Error(), live[0].File.Name) {
		t.Errorf("without its schema: %v", err)
	}
}

func TestScore(t *testing.T) {
	f := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1"})
	none, err := inspect.ScoreOf(f.Schema, liveOf(t, f, nil))
	if err != nil || none.Score != 100 || none.Files != 0 {
		t.Errorf("empty %+v %v", none, err)
	}
	w := f.Writer(write.Options{})
	last, points := (*snapshot.Snapshot)(nil), 101
	for i := range 10 {
		last = f.Put(w, fmt.Sprintf("+I %d a x 1", i))
		s, err := inspect.ScoreOf(f.Schema, liveOf(t, f, last))
		if err != nil || s.Score > points || s.Runs != i+1 || s.SmallFiles != i+1 {
			t.Errorf("%d files: %+v after %d points, %v", i+1, s, points, err)
		}
		points = s.Score
		switch {
		case i == 0 && (s.Score != 100 || s.Sentence != "Nothing to compact."):
			t.Errorf("one file: %+v", s)
		case i+1 < s.RunTrigger && s.Due != 0, i+1 >= s.RunTrigger && s.Due != 1:
			t.Errorf("%d runs, trigger %d: %d due", i+1, s.RunTrigger, s.Due)
		case i+1 > s.RunStop && (s.Score > 20 || !strings.HasPrefix(s.Sentence, "Writers wait")):
			t.Errorf("over the stop trigger: %+v", s)
		}
	}
	if points > 20 {
		t.Errorf("ten runs have %d points", points)
	}
}

func TestScoreOfAppendTable(t *testing.T) {
	f := tabletest.New(t, nil, nil, map[string]string{"bucket": "-1"})
	w := f.Writer(write.Options{})
	f.Put(w, "+I 1 a x 1")
	s, err := inspect.ScoreOf(f.Schema, liveOf(t, f, f.Put(w, "+I 2 a x 1")))
	if err != nil || s.Runs != 0 || s.RunStop != 0 || s.SmallFiles != 2 || s.Score >= 100 || !strings.Contains(s.Sentence, "1 file is small") {
		t.Errorf("%+v %v", s, err)
	}
}

func TestChanges(t *testing.T) {
	old := tabletest.New(t, []string{"k"}, nil, map[string]string{"bucket": "1", "a": "1", "b": "2"}).Schema
	now, err := schema.Apply(old, 1, schema.AddColumn{Field: schema.Field{Name: "w", Type: schema.TInt}}, schema.DropColumn{Name: "n"},
		schema.RenameColumn{From: "v", To: "text"}, schema.SetOption{Name: "a", Value: "9"}, schema.ResetOption{Name: "b"}, schema.SetOption{Name: "c", Value: "3"})
	if err != nil {
		t.Fatal(err)
	}
	want := "column v renamed to text; column w INT added; column n dropped; option a changed from 1 to 9; option c set to 3; option b reset"
	if got := strings.Join(inspect.Changes(old, now), "; "); got != want {
		t.Errorf("got %s", got)
	}
	if got := inspect.Changes(now, now); len(got) != 0 {
		t.Errorf("no change: %v", got)
	}
}
