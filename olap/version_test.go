//go:build duckdb_arrow

package olap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/storage/cache"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/snapshot"
)

func idOf(table string) catalog.Identifier {
	return catalog.Identifier{Database: catalog.DefaultDatabase, Table: table}
}

func TestTimeTravel(t *testing.T) {
	s := start(t, config{})
	s.exec(t, orders)
	snaps := snapshot.NewManager(s.svc.Catalog.TableStore(idOf("orders")), "")
	first, err := snaps.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := snaps.CreateTag(t.Context(), snapshot.Tag{Name: "before", Snapshot: first}); err != nil {
		t.Fatal(err)
	}
	old := s.want(t, "SELECT COUNT(*) FROM orders", "3")
	time.Sleep(5 * time.Millisecond) // snapshots are told apart by their millisecond
	s.exec(t, "INSERT INTO orders VALUES (4, 'd', 40)")
	stamp := time.UnixMilli(first.TimeMillis + 2).UTC().Format("2006-01-02 15:04:05.000")
	for _, clause := range []string{
		"/*+ OPTIONS('scan.snapshot-id'='1') */", "/*+ OPTIONS('scan.tag-name'='before') */",
		fmt.Sprintf("/*+ OPTIONS('scan.timestamp-millis'='%d') */", first.TimeMillis+2),
		fmt.Sprintf("FOR SYSTEM_TIME AS OF TIMESTAMP '%s'", stamp), fmt.Sprintf("AS OF EPOCH %d", old.Epoch),
	} {
		cut := s.want(t, "SELECT COUNT(*) FROM orders "+clause, "3")
		if cut.Level != "as_of" || len(cut.Snapshots) != 1 {
			t.Errorf("%s: %+v", clause, cut)
		}
		for name, id := range cut.Snapshots {
			if id != 1 || !strings.HasPrefix(name, "default.orders@") {
				t.Errorf("%s read %s at %d", clause, name, id)
			}
		}
	}
	s.want(t, "SELECT COUNT(*) FROM orders", "4")
	for _, clause := range []string{"/*+ OPTIONS('scan.snapshot-id'='9') */", "/*+ OPTIONS('scan.tag-name'='after') */"} {
		if _, err := s.try(t.Context(), "SELECT COUNT(*) FROM orders "+clause); !errkind.Is(err, errkind.NotFound) || !strings.Contains(err.Error(), "default.orders") {
			t.Errorf("%s: %v", clause, err)
		}
	}
}

// Files of a store that is far are brought near once, and not held after the query.
func TestFarFilesAreCached(t *testing.T) {
	disk, err := cache.Open(t.TempDir(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	s := start(t, config{store: objstore.NewMem(), olap: olap.Options{Cache: disk}})
	s.exec(t, orders)
	for range 2 {
		s.want(t, "SELECT id, n FROM orders WHERE n > 10", "2 20", "3 30")
	}
	if st := disk.Stats(); st.Misses != 1 || st.Hits != 1 || st.Files != 1 {
		t.Errorf("%+v", st)
	}
	// With no room for them they are read as a stream.
	small, err := cache.Open(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	s = start(t, config{store: objstore.NewMem(), olap: olap.Options{Cache: small}})
	s.exec(t, orders)
	s.want(t, "SELECT id, n FROM orders WHERE n > 10", "2 20", "3 30")
}

// A schema that changed after files were written is read by field.
func TestChangedSchema(t *testing.T) {
	s := start(t, config{})
	s.exec(t, "CREATE TABLE plain (a INT, b STRING); INSERT INTO plain VALUES (1, 'x'); ALTER TABLE plain RENAME b TO c; ALTER TABLE plain ADD (d BIGINT); INSERT INTO plain VALUES (2, 'y', 7)")
	s.want(t, "SELECT a, c, d FROM plain", "1 x (null)", "2 y 7")
	s.want(t, "SELECT COUNT(d), COUNT(*) FROM plain WHERE c <> 'z'", "1 2")
	// The same name again is another table.
	s.exec(t, "DROP TABLE plain; CREATE TABLE plain (z STRING); INSERT INTO plain VALUES ('new')")
	s.want(t, "SELECT * FROM plain", "new")
}
