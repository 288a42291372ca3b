package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

func TestProblems(t *testing.T) {
	place := sql.NewError("SELECT x", sql.Pos{Line: 1, Col: 8}, errkind.New(errkind.Invalid, "name"), "there is no x", "did you mean y?")
	row := &rowjson.RowError{Row: 3, Column: "n", Expected: "INT", Found: `"x"`, Offset: -1}
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{errors.New("unclassified"), 500, "bug"},
		{errkind.New(errkind.Invalid, "x"), 400, "invalid"},
		{errkind.New(errkind.NotFound, "x"), 404, "not_found"},
		{errkind.New(errkind.Exists, "x"), 409, "exists"},
		{errkind.New(errkind.Conflict, "x"), 409, "conflict"},
		{errkind.New(errkind.Denied, "x"), 403, "denied"},
		{errkind.New(errkind.Exhausted, "x"), 429, "exhausted"},
		{errkind.New(errkind.Unavailable, "x"), 503, "unavailable"},
		{errkind.New(errkind.Corrupt, "x"), 500, "corrupt"},
		{context.Canceled, 499, "canceled"},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), 504, "canceled"},
		{fmt.Errorf("query: %w", errTimeout), 504, "canceled"},
		{place, 400, "invalid"},
		{errkind.Wrap(errkind.Invalid, row), 422, "invalid"},
		{&Problem{Status: 418, Kind: "invalid", Detail: "x"}, 418, "invalid"},
	} {
		p := ProblemOf(c.err)
		if p.Status != c.status || p.Kind != c.kind || p.Detail == "" {
			t.Errorf("%v: %+v", c.err, p)
		}
	}
	if p := ProblemOf(place); p.Line != 1 || p.Column != 8 || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	if p := ProblemOf(errkind.Wrap(errkind.Invalid, row)); *p.Row != 3 || p.RowColumn != "n" || p.Reason != `expected INT, found "x"` {
		t.Errorf("%+v", p)
	}
	for k := errkind.Bug; k <= errkind.Canceled; k++ {
		if statuses[k] == 0 {
			t.Errorf("kind %s has no status", k)
		}
	}
	w := httptest.NewRecorder()
	WriteProblem(w, errkind.New(errkind.Unavailable, "not now"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestFormatOf(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", "json"}, {"csv", "application/json", "csv"}, {"", "*/*", "json"}, {"", "text/html, application/x-ndjson;q=0.9", "ndjson"},
		{"", "text/csv; charset=utf-8", "csv"}, {"", "application/vnd.apache.arrow.stream", "arrow"},
	} {
		if got, err := formatOf(c[0], c[1]); err != nil || got != c[2] {
			t.Errorf("%q %q: %s %v", c[0], c[1], got, err)
		}
	}
	if _, err := formatOf("", "image/png"); !errkind.Is(err, errkind.Invalid) {
		t.Error(err)
	}
}

func TestSessionsEnd(t *testing.T) {
	now := time.Unix(0, 0)
	s := newSessions(func() time.Time { return now })
	made := 0
	take := func(user, id string) (func(), error) {
		_, done, err := s.take(user, id, func() *session.Session {
			made++
			return session.New(&session.Services{}, session.Options{})
		})
		return done, err
	}
	done, err := take("a", "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take("a", "x"); !errkind.Is(err, errkind.Conflict) {
		t.Errorf("a busy session: %v", err)
	}
	if other, err := take("b", "x"); err != nil {
		t.Errorf("another user's: %v", err)
	} else {
		other()
	}
	done()
	for i := range sessionsMax - 2 {
		if _, err := take("a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := take("a", "one more"); !errkind.Is(err, errkind.Exhausted) {
		t.Errorf("too many: %v", err)
	}
	now = now.Add(sessionTTL + time.Second)
	if _, err := take("a", "one more"); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
	if made != sessionsMax+1 || len(s.mu.open) != 1 {
		t.Errorf("%d were made, %d are open", made, len(s.mu.open))
	}
	if _, err := take("a", strings.Repeat("x", 65)); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a long id: %v", err)
	}
}

func TestWritersWithoutRows(t *testing.T) {
	cols := []plan.Column{{Name: "a,b", Type: schema.TBigInt}}
	for format, want := range map[string]string{
		"json":   `{"columns":[{"name":"a,b","type":"BIGINT"}],"data":[],"rows":0}` + "\n",
		"ndjson": "", "csv": "\"a,b\"\r\n",
	} {
		var out holdBuffer
		w, err := newRowWriter(format, &out, cols, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.end(summary{}); err != nil || out.String() != want {
			t.Errorf("%s: %q %v", format, out.String(), err)
		}
	}
}

// FuzzCSV writes any texts and reads them back with another implementation.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", "plain", `say "no"`, "a,b", "two\nlines", " padded ", "\r\n", "é\x00"} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		sc := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}, {Name: "b", Type: arrow.BinaryTypes.String}}, nil)
		rb := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		defer rb.Release()
		rb.Field(0).(*array.StringBuilder).Append(a)
		rb.Field(1).(*array.StringBuilder).Append(b)
		rec := rb.NewRecordBatch()
		defer rec.Release()
		var out holdBuffer
		w, err := newRowWriter("csv", &out, []plan.Column{{Name: "a", Type: schema.TString}, {Name: "b", Type: schema.TString}}, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.batch(rec); err != nil {
			t.Fatal(err)
		}
		recs, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(recs) != 2 {
			t.Fatalf("%q: %v", recs, err)
		}
		same := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") } // Go's reader makes line ends plain
		if recs[1][0] != same(a) || recs[1][1] != same(b) {
			t.Errorf("wrote %q %q, read %q", a, b, recs[1])
		}
	})
}

// FuzzParams: any text is values or an error of the caller's, never a panic.
func FuzzParams(f *testing.F) {
	for _, s := range []string{"null", "[]", `[1, -2.50, 1e9, "x", true, null]`, `{"a": 9007199254740993}`, `[{"type":"DATE","value":"2026-01-31"}]`,
		`[{"type":"DECIMAL(3,1)","value":12.34}]`, `[{"type":"ROW<a INT>","value":1}]`, "[[", `{"a":[1]}`, "7", `[{"type":"INT","value":null}]`, "[.5]", "[-]", `[{"type":"TIMESTAMP(3)","value":"2026-01-31 01:02:03"}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p Params
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return
		}
		got, err := p.literals()
		if err != nil {
			if !errkind.Is(err, errkind.Invalid) {
				t.Errorf("%s: kind %s: %v", text, errkind.Of(err), err)
			}
			return
		}
		for _, l := range got.Positional {
			if l.Value != nil && l.T.Kind == schema.Invalid {
				t.Errorf("%s: %+v has no type", text, l)
			}
		}
	})
}
