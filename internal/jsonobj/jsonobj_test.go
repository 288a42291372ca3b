package jsonobj_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/jsonobj"
)

type point struct {
	X      int    `json:"x"`
	Label  string `json:"label,omitempty"`
	Hidden string `json:"-"`
}

func TestUnknownFieldsAreKept(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{`{"x":1}`, "{\n  \"x\": 1\n}"},
		{`{"z":[1.50,null],"x":1,"a":{"b":"<"}}`, "{\n  \"x\": 1,\n  \"a\": {\n    \"b\": \"<\"\n  },\n  \"z\": [\n    1.50,\n    null\n  ]\n}"},
		{`{"x":1,"label":"l"}`, "{\n  \"x\": 1,\n  \"label\": \"l\"\n}"},
	} {
		var p point
		extra, err := jsonobj.Unmarshal([]byte(c.in), &p)
		if err != nil {
			t.Fatal(err)
		}
		out, err := jsonobj.Marshal(p, extra)
		if diff := cmp.Diff(c.out, string(out)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.in, err, diff)
		}
	}
}

func TestKnownFieldsWin(t *testing.T) {
	out, err := jsonobj.Marshal(point{X: 1}, map[string]json.RawMessage{"x": json.RawMessage("2"), "label": json.RawMessage(`"from extra"`)})
	if err != nil || string(out) != "{\n  \"x\": 1\n}" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, in := range []string{"", "null", "[]", "1", "{", `{"x":"no number"}`, `{"x":1} {}`, `{"x":1},`} {
		var p point
		if extra, err := jsonobj.Unmarshal([]byte(in), &p); err == nil {
			t.Errorf("%q gave %+v and %v", in, p, extra)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"x":1,"y":{"z":[]},"label":"l"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p point
		extra, err := jsonobj.Unmarshal(data, &p)
		if err != nil {
			return
		}
		out, err := jsonobj.Marshal(p, extra)
		if err != nil {
			t.Fatal(err)
		}
		var again point
		more, err := jsonobj.Unmarshal(out, &again)
		if err != nil || again != p || len(more) != len(extra) {
			t.Errorf("%s became %s: %+v %v, %v", data, out, again, more, err)
		}
	})
}
