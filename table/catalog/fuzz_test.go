package catalog_test

import (
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
)

// FuzzParseIdentifier: a name that is taken is a key of the store, and reads back as itself.
func FuzzParseIdentifier(f *testing.F) {
	for _, text := range []string{"t", "db.t", "weir.db.t", "a.b.c.d", "", ".", "..", "a/b", "db.t$snapshots", "\x00", "größe.t", " t"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := catalog.ParseIdentifier(text, "default")
		if err != nil {
			if errkind.Of(err) != errkind.Invalid {
				t.Errorf("%q: %v is of kind %s", text, err, errkind.Of(err))
			}
			return
		}
		if again, err := catalog.ParseIdentifier(id.String(), ""); err != nil || again != id {
			t.Errorf("%q is %v, which reads as %v, %v", text, id, again, err)
		}
		if len(text) < 200 {
			if err := objstore.ValidateKey(id.Path()); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
