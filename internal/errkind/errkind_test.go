package errkind_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
)

var errGone = errkind.New(errkind.NotFound, "store: gone")

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want errkind.Kind
	}{
		{nil, errkind.Bug},
		{errors.New("unclassified"), errkind.Bug},
		{errGone, errkind.NotFound},
		{fmt.Errorf("read x: %w", errGone), errkind.NotFound},
		{errkind.Errorf(errkind.Corrupt, "manifest x: %w", errGone), errkind.Corrupt}, // the outermost decides
		{errkind.Wrap(errkind.Unavailable, io.EOF), errkind.Unavailable},
		{fmt.Errorf("query: %w", context.Canceled), errkind.Canceled},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), errkind.Canceled},
		{errors.Join(io.EOF, errGone), errkind.NotFound},
	} {
		if got := errkind.Of(tc.err); got != tc.want {
			t.Errorf("%v: got %v, want %v", tc.err, got, tc.want)
		}
	}
}

func TestErrorsStayRecognisable(t *testing.T) {
	err := errkind.Errorf(errkind.Exhausted, "write %s: %w (after %w)", "k", fs.ErrPermission, errGone)
	for _, want := range []error{fs.ErrPermission, errGone} {
		if !errors.Is(err, want) {
			t.Errorf("%v is not in the chain of %v", want, err)
		}
	}
	if err.Error() != "write k: permission denied (after store: gone)" {
		t.Errorf("text %q", err)
	}
	if w := errkind.Wrap(errkind.Denied, fs.ErrPermission); !errors.Is(w, fs.ErrPermission) || w.Error() != fs.ErrPermission.Error() {
		t.Errorf("Wrap: %v", w)
	}
	if errkind.Wrap(errkind.Denied, nil) != nil {
		t.Error("Wrap(nil) is an error")
	}
}

func TestIs(t *testing.T) {
	if errkind.Is(nil, errkind.Bug) {
		t.Error("no error has a kind")
	}
	if !errkind.Is(errGone, errkind.NotFound) || errkind.Is(errGone, errkind.Conflict) {
		t.Error("Is does not follow Of")
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := errkind.Bug; k <= errkind.Canceled; k++ {
		if name := k.String(); seen[name] || name == "" || name[0] == 'k' {
			t.Errorf("kind %d is called %q", k, name)
		} else {
			seen[name] = true
		}
	}
	if got := errkind.Kind(200).String(); got != "kind(200)" {
		t.Errorf("got %q", got)
	}
}
