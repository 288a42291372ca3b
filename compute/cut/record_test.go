package cut

import (
	"testing"
	"time"
)

func TestHourNames(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 5, 0, 0, time.FixedZone("", 3600))
	// 23:05 UTC of the day before: the hour that is over is that of 22.
	if got := HourName(at); got != "2026-02-28 22" {
		t.Errorf("%q", got)
	}
	if got := HourName(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)); got != "2026-02-28 23" {
		t.Errorf("at the full hour: %q", got)
	}
	if at, ok := HourOf("2026-02-28 22"); !ok || !at.Equal(time.Date(2026, 2, 28, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("%v %v", at, ok)
	}
	for _, name := range []string{"", "release", "2026-02-28", "2026-02-28 24", "2026-2-28 22", "2026-02-28 22:00"} {
		if _, ok := HourOf(name); ok {
			t.Errorf("%q is no hour", name)
		}
	}
}

func TestHourlyOptions(t *testing.T) {
	with := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		given map[string]string
		want  bool
	}{
		{with(), true},
		{with("tag.automatic-creation", "none"), false},
		{with("tag.default-time-retained", "1 d"), true},
		{with("tag.creation-period", "daily"), false},
		{with("tag.num-retained-max", "3"), false},
		{with("tag.period-formatter", "without_dashes"), false},
		{with("sink.process-time-zone", "Asia/Tokyo"), false},
	} {
		SetOptions(c.given)
		if got := Hourly(c.given); got != c.want {
			t.Errorf("%v: %v", c.given, got)
		}
	}
	o := with("tag.default-time-retained", "1 d")
	if SetOptions(o); o["tag.default-time-retained"] != "1 d" {
		t.Errorf("an option that was given: %v", o)
	}
	if Hourly(map[string]string{"tag.automatic-creation": "process-time", "tag.creation-period": "hourly"}) {
		t.Error("a table of another engine, whose names follow that engine's clock")
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"version":1,"name":"x","epoch":3,"tables":{"default.db/a":{"snapshot":1,"hash":"h","delta":"manifest-list-1"}}}`,
		`{"version":1,"do":"make","cut":{"version":1,"name":"x","tables":{}}}`,
		`{"version":1,"do":"remove","cut":{"version":1,"name":"x","tables":{"../a":{}}}}`,
		`{"version":9,"name":"x"}`, `{"version":1,"name":"a/b"}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := decodeRecord(data); err == nil {
			again, err := encode(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decodeRecord(again); err != nil {
				t.Errorf("%s: %v", again, err)
			}
		}
		if p, err := decodePlan(data); err == nil && (p.Do == "" || p.Cut.Name == "") {
			t.Errorf("%s is taken for a plan", data)
		}
	})
}
