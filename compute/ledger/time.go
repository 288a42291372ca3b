package ledger

import (
	"fmt"
	"strings"
	"time"
)

// Time is a moment in a ledger's row, to the millisecond, for columns of type TIMESTAMP_LTZ(3). The zero Time is NULL.
type Time struct{ time.Time }

// At is the moment t.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// jsonTime is how rows of tables are written as JSON.
const jsonTime = "2006-01-02 15:04:05.000Z"

// MarshalJSON writes "2026-01-31 12:00:00.000Z", or null for the zero Time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(jsonTime) + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes, and RFC 3339.
func (t *Time) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		*t = Time{}
		return nil
	}
	text = strings.Trim(text, `"`)
	at, err := time.Parse(jsonTime, text)
	if err != nil {
		if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return fmt.Errorf("time %q: want the form %s", text, jsonTime)
		}
	}
	*t = Time{at.UTC()}
	return nil
}
