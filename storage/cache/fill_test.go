package cache

import (
	"fmt"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
)

func FuzzParseSum(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(sumFormat, uint64(1), int64(5), "s3://b/k")))
	f.Add([]byte(fmt.Sprintf(sumFormat, ^uint64(0), int64(0), "a\x00etag \"é\"")))
	f.Add([]byte("weir-cache-1 00 -5 \"x\"\n"))
	f.Add([]byte("weir-cache-2 0000000000000001 5 \"x\"\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, size, sum, err := parseSum(text)
		if err != nil {
			if !errkind.Is(err, errkind.Corrupt) {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if again := fmt.Sprintf(sumFormat, sum, size, id); again != string(text) || size < 0 {
			t.Fatalf("%q reads as %q", text, again)
		}
	})
}

func TestParseSumAcceptsWhatIsWritten(t *testing.T) {
	for _, id := range []string{"s3://bucket/a b/k", "s3://b/k\x00\"etag\"", "mem:é\n%"} {
		gotID, size, sum, err := parseSum([]byte(fmt.Sprintf(sumFormat, uint64(0xabc), int64(77), id)))
		if err != nil || gotID != id || size != 77 || sum != 0xabc {
			t.Errorf("%q: got %q, %d, %x, %v", id, gotID, size, sum, err)
		}
	}
}
