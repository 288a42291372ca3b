package session_test

import (
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

func TestParseConsistency(t *testing.T) {
	for text, want := range map[string]session.Consistency{
		"latest":         {Level: "latest"},
		"cut":            {Level: "cut"},
		"session":        {Level: "session"},
		"session(17)":    {Level: "session", AtLeast: 17},
		"bounded(5s)":    {Level: "bounded", AgeMax: 5 * time.Second},
		" bounded( 2 m)": {Level: "bounded", AgeMax: 2 * time.Minute},
	} {
		got, err := session.ParseConsistency(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := session.ParseConsistency(got.String()); err != nil || again != want {
			t.Errorf("%q, from %q: %+v, %v", got.String(), text, again, err)
		}
	}
	for _, text := range []string{"", "strong", "cut(1)", "session(", "session(-1)", "session(x)", "bounded", "bounded()", "bounded(0s)", "bounded(-1s)", "latest)"} {
		if c, err := session.ParseConsistency(text); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}
