package errkind

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what a caller can do about an error.
type Kind uint8

// The kinds. The zero value is Bug: an error nobody classified is ours to mend.
const (
	Bug         Kind = iota // a broken invariant of ours
	Invalid                 // the request, statement, row or configuration is wrong; change it
	NotFound                // the thing named does not exist
	Exists                  // the thing named exists already
	Denied                  // the caller may not do this
	Conflict                // somebody else was first; re-read and decide again
	Exhausted               // a limit was reached; ask for less or wait
	Unavailable             // something outside does not answer; try again later
	Corrupt                 // stored bytes are not what they must be; never retried
	Canceled                // the caller gave up
)

var names = [...]string{"bug", "invalid", "not_found", "exists", "denied", "conflict", "exhausted", "unavailable", "corrupt", "canceled"}

// String returns the kind's stable name, as the REST API and logs show it.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

type kindError struct {
	kind Kind
	msg  string
	err  error
}

func (e *kindError) Error() string { return e.msg }
func (e *kindError) Unwrap() error { return e.err }

// New returns a sentinel of the kind.
func New(k Kind, msg string) error { return &kindError{kind: k, msg: msg} }

// Errorf formats like fmt.Errorf (with %w) and gives the result the kind.
func Errorf(k Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &kindError{kind: k, msg: err.Error(), err: err}
}

// Wrap gives err the kind without changing its text. A nil err stays nil.
func Wrap(k Kind, err error) error {
	if err == nil {
		return nil
	}
	return &kindError{kind: k, msg: err.Error(), err: err}
}

// Of returns the outermost kind in err's chain; context errors are Canceled.
func Of(err error) Kind {
	var ke *kindError
	if errors.As(err, &ke) {
		return ke.kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Canceled
	}
	return Bug
}

// Is reports whether err is of the kind; false for a nil error.
func Is(err error, k Kind) bool { return err != nil && Of(err) == k }
