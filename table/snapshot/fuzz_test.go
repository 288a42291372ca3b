package snapshot_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// FuzzHints: whatever stands in the hint files, the newest and oldest versions are found, and names of files that are
// no versions are passed over.
func FuzzHints(f *testing.F) {
	f.Add([]byte("2"), "snapshot-2")
	f.Add([]byte("999"), "snapshot-999x")
	f.Add([]byte("-1"), "snapshot-")
	f.Add([]byte(" 1 \n"), "snapshot-01")
	f.Add([]byte("9223372036854775808"), "snapshot-9223372036854775808")
	f.Add([]byte{0xff}, "LATEST.tmp")
	f.Fuzz(func(t *testing.T, hint []byte, stray string) {
		store := objstore.NewMem()
		m := snapshot.NewManager(store, "")
		put := func(key string, data []byte) error { return store.Put(t.Context(), key, data) }
		for id := range snapshot.ID(3) {
			if err := put(m.Key(id+1), []byte(strings.Replace(future, `"id":9`, fmt.Sprintf(`"id":%d`, id+1), 1))); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"LATEST", "EARLIEST"} {
			if err := put("snapshot/"+name, hint); err != nil {
				t.Fatal(err)
			}
		}
		n, isVersion := strings.CutPrefix(stray, "snapshot-")
		if id, err := strconv.ParseInt(n, 10, 64); err != nil || id < 1 || strconv.FormatInt(id, 10) != n {
			isVersion = false
		}
		if objstore.ValidateKey("snapshot/"+stray) == nil && !isVersion && stray != "LATEST" && stray != "EARLIEST" {
			if err := put("snapshot/"+stray, hint); err != nil {
				t.Fatal(err)
			}
		}
		latest, err := m.Latest(t.Context())
		if err != nil || latest.ID != 3 {
			t.Errorf("latest %v, %v", latest, err)
		}
		if id, err := m.EarliestID(t.Context()); err != nil || id != 1 {
			t.Errorf("earliest %d, %v", id, err)
		}
		if ids, err := m.List(t.Context()); err != nil || !slices.Equal(ids, []snapshot.ID{1, 2, 3}) {
			t.Errorf("versions %v, %v", ids, err)
		}
	})
}
