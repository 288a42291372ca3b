package peer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weir-lake/weir/interop/peer"
)

func keyedSchema() peer.Schema {
	return peer.Schema{
		Columns: [][2]string{
			{"k", "INT NOT NULL"}, {"s", "STRING"}, {"d", "DECIMAL(10, 2)"}, {"f", "DOUBLE"}, {"t", "TIMESTAMP(3)"},
			{"z", "TIMESTAMP(6) WITH LOCAL TIME ZONE"}, {"y", "DATE"}, {"b", "BYTES"}, {"o", "BOOLEAN"}, {"l", "BIGINT"},
		},
		PrimaryKeys: []string{"k"},
		Options:     map[string]string{"bucket": "2"},
	}
}

func row(k int, s string) string {
	return fmt.Sprintf(`{"k":%d,"s":%q,"d":"%d.50","f":0.1,"t":"2013-01-01 05:00:00.123","z":"2013-01-01 10:00:00.123456Z",`+
		`"y":"2013-01-01","b":"AQI=","o":true,"l":9007199254740993}`, k, s, k)
}

func TestEnginesAgree(t *testing.T) {
	java, python := peer.Java(t), peer.Pypaimon(t)
	path := filepath.Join(t.TempDir(), "t")
	java.Create(path, keyedSchema())
	if rows := java.Read(path); len(rows) != 0 {
		t.Errorf("a new table has %q", rows)
	}
	if rows := python.Read(path); len(rows) != 0 {
		t.Errorf("pypaimon: a new table has %q", rows)
	}
	first := []string{row(1, "one"), row(2, "tab\t, é, 日本"), row(3, "three"), `{"k":4}`}
	java.Write(path, first)
	java.Write(path, []string{row(1, "changed"), strings.Replace(row(3, "three"), "{", `{"_kind":"-D",`, 1)})
	want := []string{
		row(1, "changed"), row(2, "tab\t, é, 日本"),
		`{"k":4,"s":null,"d":null,"f":null,"t":null,"z":null,"y":null,"b":null,"o":null,"l":null}`,
	}
	slices.Sort(want)
	for range 2 { // the second time compacted
		if got := java.Read(path); !slices.Equal(got, want) {
			t.Errorf("Java: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := python.Read(path); !slices.Equal(got, want) {
			t.Errorf("pypaimon: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		java.Compact(path)
	}
	for name, got := range map[string][]string{"Java": java.ReadSnapshot(path, 1), "pypaimon": python.ReadSnapshot(path, 1)} {
		if len(got) != 4 || !slices.Contains(got, row(3, "three")) {
			t.Errorf("%s: snapshot 1 has %q", name, got)
		}
	}
}

func TestJavaChangelog(t *testing.T) {
	java := peer.Java(t)
	path := filepath.Join(t.TempDir(), "t")
	schema := keyedSchema()
	schema.Columns, schema.Options = schema.Columns[:2], map[string]string{"bucket": "1", "changelog-producer": "input"}
	java.Create(path, schema)
	java.Write(path, []string{`{"k":1,"s":"a"}`})
	java.Write(path, []string{`{"_kind":"-U","k":1,"s":"a"}`, `{"_kind":"+U","k":1,"s":"b"}`})
	want := []string{
		`{"_snapshot":1,"_kind":"+I","k":1,"s":"a"}`,
		`{"_snapshot":2,"_kind":"-U","k":1,"s":"a"}`, `{"_snapshot":2,"_kind":"+U","k":1,"s":"b"}`,
	}
	if got := java.Changelog(path, 1); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := java.Changelog(path, 2); !slices.Equal(got, want[1:]) {
		t.Errorf("from 2: got %q", got)
	}
}

func TestJavaCompactsUnbucketedTable(t *testing.T) {
	java := peer.Java(t)
	path := filepath.Join(t.TempDir(), "t")
	java.Create(path, peer.Schema{Columns: [][2]string{{"n", "INT"}}, PartitionKeys: []string{}, Options: map[string]string{"compaction.min.file-num": "2"}})
	var want []string
	for n := range 6 {
		want = append(want, fmt.Sprintf(`{"n":%d}`, n))
		java.Write(path, want[n:])
	}
	java.Compact(path)
	if got := java.Read(path); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := peer.PypaimonRead(t, path); !slices.Equal(got, want) {
		t.Errorf("pypaimon: got %q", got)
	}
}

func TestEngineErrorsAreReported(t *testing.T) {
	java, python := peer.Java(t), peer.Pypaimon(t)
	missing := filepath.Join(t.TempDir(), "none")
	for name, e := range map[string]*peer.Engine{"Java": java, "pypaimon": python} {
		for _, args := range [][]string{{"read", missing}, {"explode", missing}, {}} {
			if _, err := e.Try(args...); err == nil {
				t.Errorf("%s: %q succeeded", name, args)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "t")
	java.Create(path, keyedSchema())
	java.Write(path, []string{row(1, "a")}) // it goes on after errors
	if got := peer.JavaRead(t, path); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestKafkaBroker(t *testing.T) {
	broker := peer.Kafka(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("flights"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.TransactionalID("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n, outcome := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: "flights", Value: fmt.Appendf(nil, "try %d", n)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, outcome); err != nil {
			t.Fatal(err)
		}
	}
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if records := fetches.Records(); len(records) != 1 || string(records[0].Value) != "try 1" {
		t.Errorf("got %d records", len(records))
	}
}
