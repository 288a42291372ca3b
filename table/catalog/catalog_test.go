package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

func stores(t *testing.T) map[string]objstore.Store {
	t.Helper()
	local, err := objstore.NewLocal(t.TempDir(), objstore.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]objstore.Store{"mem": objstore.NewMem(), "local": local}
}

func open(t *testing.T, store objstore.Store, system bool) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), store, catalog.Options{System: system})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func id(t *testing.T, text string) catalog.Identifier {
	t.Helper()
	i, err := catalog.ParseIdentifier(text, catalog.DefaultDatabase)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func define(options map[string]string) schema.Definition {
	return schema.Definition{Fields: []schema.Field{{Name: "k", Type: schema.TInt}}, Options: options}
}

func TestDatabasesAndTables(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			c := open(t, store, false)
			if err := c.CreateDatabase(t.Context(), "Sales", map[string]string{"comment": "x"}); err != nil {
				t.Fatal(err)
			}
			if err := c.CreateDatabase(t.Context(), "Sales", nil); !errors.Is(err, catalog.ErrDatabaseExists) {
				t.Errorf("made twice: %v", err)
			}
			if err := c.CreateDatabase(t.Context(), "default", nil); !errors.Is(err, catalog.ErrDatabaseExists) {
				t.Errorf("default: %v", err)
			}
			for _, n := range []string{"Sales.b", "Sales.a", "Sales.A", "t"} { // names are case-sensitive
				if _, err := c.CreateTable(t.Context(), id(t, n), define(nil)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.CreateTable(t.Context(), id(t, "t"), define(nil)); !errors.Is(err, schema.ErrTableExists) {
				t.Errorf("made twice: %v", err)
			}
			dbs, err := c.Databases(t.Context())
			if diff := cmp.Diff([]string{"Sales", "default"}, dbs); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			tables, err := c.Tables(t.Context(), "Sales")
			if diff := cmp.Diff([]string{"A", "a", "b"}, tables); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			if err := c.DropDatabase(t.Context(), "Sales", false); !errors.Is(err, catalog.ErrNotEmpty) {
				t.Errorf("%v", err)
			}
			for _, n := range []string{"Sales.a", "Sales.A", "Sales.b"} {
				if err := c.DropTable(t.Context(), id(t, n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.DropTable(t.Context(), id(t, "Sales.a")); !errors.Is(err, schema.ErrNoTable) {
				t.Errorf("dropped twice: %v", err)
			}
			// A database without tables is still one, until it is dropped.
			if tables, err := c.Tables(t.Context(), "Sales"); err != nil || len(tables) != 0 {
				t.Errorf("%v, %v", tables, err)
			}
			if err := c.DropDatabase(t.Context(), "Sales", false); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Tables(t.Context(), "Sales"); !errors.Is(err, catalog.ErrNoDatabase) || !strings.Contains(err.Error(), "there are default") {
				t.Errorf("%v", err)
			}
			if _, err := c.Table(t.Context(), id(t, "Sales.a")); !errors.Is(err, catalog.ErrNoDatabase) {
				t.Errorf("%v", err)
			}
			if _, err := c.Table(t.Context(), id(t, "weir.default.none")); !errors.Is(err, schema.ErrNoTable) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDropWithTables(t *testing.T) {
	store := objstore.NewMem()
	c := open(t, store, false)
	if err := c.CreateDatabase(t.Context(), "d", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateTable(t.Context(), id(t, "d.t"), define(nil)); err != nil {
		t.Fatal(err)
	}
	if err := c.DropDatabase(t.Context(), "d", true); err != nil {
		t.Fatal(err)
	}
	if err := store.List(t.Context(), "d.db", func(i objstore.Info) error { t.Errorf("%s is left", i.Key); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAlterTable(t *testing.T) {
	c := open(t, objstore.NewMem(), false)
	if _, err := c.CreateTable(t.Context(), id(t, "t"), define(nil)); err != nil {
		t.Fatal(err)
	}
	s, err := c.AlterTable(t.Context(), id(t, "t"), schema.AddColumn{Field: schema.Field{Name: "n", Type: schema.TString}}, schema.SetOption{Name: "x", Value: "1"}, schema.SetComment{Comment: "c"})
	if err != nil || s.ID != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	got, err := c.Table(t.Context(), id(t, "t"))
	if err != nil || len(got.Fields) != 2 || got.Options["x"] != "1" || got.Comment != "c" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.AlterTable(t.Context(), id(t, "t"), schema.SetOption{Name: "db.password", Value: "hunter2"}); errkind.Of(err) != errkind.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := c.AlterTable(t.Context(), id(t, "none"), schema.SetComment{}); !errors.Is(err, schema.ErrNoTable) {
		t.Errorf("%v", err)
	}
}

func TestConnectorTablesAreDefinitions(t *testing.T) {
	c := open(t, objstore.NewMem(), false)
	options := map[string]string{"connector": "kafka", "topic": "t", "properties.sasl.password": "${env:KAFKA_PASSWORD}"}
	if _, err := c.CreateTable(t.Context(), id(t, "k"), define(options)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Table(t.Context(), id(t, "k"))
	if diff := cmp.Diff(options, s.Options); err != nil || diff != "" || !s.Connector() || s.Writable() == nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestSystemDatabaseIsReserved(t *testing.T) {
	store := objstore.NewMem()
	users, own := open(t, store, false), open(t, store, true)
	if _, err := users.CreateTable(t.Context(), id(t, "sys.t"), define(nil)); errkind.Of(err) != errkind.Denied {
		t.Errorf("%v", err)
	}
	if err := users.CreateDatabase(t.Context(), "sys", nil); errkind.Of(err) != errkind.Denied {
		t.Errorf("%v", err)
	}
	if _, err := own.CreateTable(t.Context(), id(t, "sys.t"), define(nil)); err != nil {
		t.Fatal(err)
	}
	if err := users.DropTable(t.Context(), id(t, "sys.t")); errkind.Of(err) != errkind.Denied {
		t.Errorf("%v", err)
	}
	if err := users.DropDatabase(t.Context(), "sys", true); errkind.Of(err) != errkind.Denied {
		t.Errorf("%v", err)
	}
	if s, err := users.Table(t.Context(), id(t, "sys.t")); err != nil || s == nil {
		t.Errorf("reading is allowed: %v", err)
	}
}

func TestOpenJudgesTheFolder(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want string
	}{
		{nil, ""}, {[]string{"default.db/t/schema/schema-0"}, ""}, {[]string{".weir/log/1", "notes.txt"}, ""}, {[]string{".hidden"}, ""},
		{[]string{"photos/a.jpg", "notes.txt"}, "it holds notes.txt, photos, but no folder <database>.db"},
		{[]string{"schema/schema-0", "snapshot/LATEST"}, "the folder of one table"},
	} {
		store := objstore.NewMem()
		for _, k := range c.keys {
			if err := store.Put(t.Context(), k, nil); err != nil {
				t.Fatal(err)
			}
		}
		_, err := catalog.Open(t.Context(), store, catalog.Options{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || errkind.Of(err) != errkind.Invalid) {
			t.Errorf("%v: %v, want %q", c.keys, err, c.want)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for text, want := range map[string]string{"t": "default.t", "d.t": "d.t", "weir.d.t": "d.t", "Ünï.t$late": "Ünï.t$late"} {
		if got := id(t, text).String(); got != want {
			t.Errorf("%q is %s", text, got)
		}
	}
	for _, bad := range []string{"", "a.b.c", "a.b.c.d", ".t", "d.", "d..t", "d._t", "a/b", "d.a*", " t"} {
		if got, err := catalog.ParseIdentifier(bad, "default"); errkind.Of(err) != errkind.Invalid {
			t.Errorf("%q is %s, %v", bad, got, err)
		}
	}
}

func TestCheckSecrets(t *testing.T) {
	for _, c := range []struct {
		name, value string
		plain       bool
	}{
		{"password", "hunter2", true}, {"password", "", false}, {"password", "${env:X}", false}, {"s3.secret-key", "${file:/run/x}", false},
		{"s3.access-key", "AK", true}, {"bucket-key", "id", false}, {"key.format", "json", false}, {"value.fields-include", "ALL", false},
		{"url", "postgres://u:p@host/db", true}, {"url", "postgres://u:${env:P}@host/db", false}, {"url", "postgres://host/db?password=p", true},
		{"url", "postgres://host/db?user=u&password=${env:P}", false}, {"url", "s3://bucket/path", false},
		{"properties.sasl.jaas.config", `x required username="u" password="p";`, true}, {"properties.sasl.jaas.config", `x required username="u" password="${env:P}";`, false},
		{"weir.query", "SELECT * FROM t WHERE password = 'x'", false}, {"properties.sasl.jaas.config", `x required password="p" other="${env:X}";`, true},
	} {
		err := catalog.CheckSecrets(map[string]string{c.name: c.value})
		if (err != nil) != c.plain {
			t.Errorf("%s = %s: %v", c.name, c.value, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats the secret: %v", c.name, err)
		}
	}
}

func TestRedactSQL(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 'password' = 'x'":                 "SELECT 'password' = '***'",
		"WITH ('a.password'='it''s', 'path'='p')": "WITH ('a.password'='***', 'path'='p')",
		"WITH ('uri' = 'pg://u:p@h/d')":           "WITH ('uri' = '***')",
		"WITH ('password' = '${env:X}')":          "WITH ('password' = '${env:X}')",
		"SELECT 1":                                "SELECT 1",
	} {
		if got := catalog.RedactSQL(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
