package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// broker is a Kafka cluster to test against: in-process, or the one whose address is in
// WEIR_TEST_KAFKA, in which topics are made with unique names.
type broker struct {
	addr   string
	fake   *kfake.Cluster
	client *kgo.Client
	prefix string
}

func start(t *testing.T) *broker {
	t.Helper()
	b := &broker{addr: os.Getenv("WEIR_TEST_KAFKA")}
	if b.addr == "" {
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		b.fake, b.addr = c, strings.Join(c.ListenAddrs(), ",")
	} else {
		b.prefix = fmt.Sprintf("t%d-", time.Now().UnixNano())
	}
	b.connect(t)
	return b
}

// connect makes a new client for the test's own use.
func (b *broker) connect(t *testing.T) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(b.addr, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b.client = c
}

func (b *broker) topic(t *testing.T, name string, partitions int32) string {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = b.prefix+name, partitions, 1
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(t.Context(), b.client)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("create topic: %v %v", err, resp)
	}
	return rt.Topic
}

func (b *broker) drop(t *testing.T, topic string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TopicNames = []string{topic}
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(t.Context(), b.client); err != nil {
		t.Fatal(err)
	}
}

func (b *broker) produce(t *testing.T, topic string, partition int32, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v), Timestamp: time.UnixMilli(1_700_000_000_000)}
		if v == "" {
			r.Value = nil
		}
		if err := b.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func messages(from, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"id":%d,"s":"m%d"}`, from+i, from+i)
	}
	return out
}

func column(name string, t schema.Type) plan.TableColumn {
	return plan.TableColumn{Column: plan.Column{Name: name, Type: t}}
}

func (b *broker) table(topic string, opts map[string]string, cols ...plan.TableColumn) *plan.Table {
	if cols == nil {
		cols = []plan.TableColumn{column("id", schema.TInt.WithNotNull(true)), column("s", schema.TString)}
	}
	o := map[string]string{"connector": "kafka", "topic": topic, "properties.bootstrap.servers": b.addr, "format": "json", "scan.startup.mode": "earliest-offset"}
	for k, v := range opts {
		if v == "" {
			delete(o, k)
		} else {
			o[k] = v
		}
	}
	return &plan.Table{Name: "t", Options: o, Columns: cols}
}

// opened is the source itself, whose Poll waits for its answer.
func opened(t *testing.T, tb *plan.Table, bounded bool) *source {
	t.Helper()
	if err := Factory().Validate(tb); err != nil {
		t.Fatal(err)
	}
	s, err := openSource(t.Context(), connector.Context{Table: tb, Options: tb.Options, Bounded: bounded})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func poll(t *testing.T, s connector.Source, from connector.Offsets, maxRows int) connector.Offsets {
	t.Helper()
	to, _, err := s.Poll(t.Context(), from, maxRows)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestConformance(t *testing.T) {
	b := start(t)
	one, many := b.topic(t, "one", 1), b.topic(t, "many", 3)
	b.produce(t, one, 0, append(messages(0, 50), `{"id":"bad"}`, `{`)...)
	for p := range int32(3) {
		b.produce(t, many, p, messages(100*int(p), 10+10*int(p))...)
	}
	for topics, rows := range map[string]int{one: 52, one + ";" + many: 112} {
		for _, bounded := range []bool{true, false} {
			t.Run(fmt.Sprint(rows, bounded), func(t *testing.T) {
				connectortest.Source(t, connectortest.SourceSpec{Rows: rows, Unbounded: !bounded, Open: func(t *testing.T) connector.Source {
					s, err := openSource(t.Context(), connector.Context{Table: b.table(topics, nil), Options: b.table(topics, nil).Options, Bounded: bounded})
					if err != nil {
						t.Fatal(err)
					}
					return s
				}})
			})
		}
	}
}

func TestKeysMetadataAndDeadLetters(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "meta", 1)
	send := func(key, value string, headers ...kgo.RecordHeader) {
		r := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Headers: headers, Timestamp: time.UnixMilli(1_700_000_000_000)}
		if err := b.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"id":1}`, `{"s":"a"}`, kgo.RecordHeader{Key: "h", Value: []byte("old")}, kgo.RecordHeader{Key: "h", Value: []byte("v")})
	send(`{"id":"x"}`, `{"s":"b"}`)
	send(`{"id":3}`, `[{"s":"c"},{"s":"d"}]`)
	send(`[{"id":4},{"id":5}]`, `{"s":"e"}`)
	b.produce(t, topic, 0, "") // a tombstone
	send(`{"id":6}`, `{"s":[}`)
	meta := func(name, key string, ty schema.Type) plan.TableColumn {
		c := column(name, ty)
		c.Metadata, c.Virtual = key, true
		return c
	}
	tb := b.table(topic, map[string]string{"format": "", "value.format": "json", "key.format": "json", "key.fields": "k_id", "key.fields-prefix": "k_", "value.fields-include": "EXCEPT_KEY"},
		column("s", schema.TString), meta("o", "offset", schema.TBigInt), column("k_id", schema.TInt.WithNotNull(true)), meta("p", "partition", schema.TInt),
		meta("at", "timestamp", schema.TTimestampLTZ(3)), meta("h", "headers", schema.TMap(schema.TString.WithNotNull(true), schema.TBytes)), meta("tp", "topic", schema.TString))
	s := opened(t, tb, true)
	rows := connectortest.Read(t, s, nil, poll(t, s, nil, 100))
	want := []string{
		`+I a|0|1|0|2023-11-14T22:13:20Z|[{"key":"h","value":"dg=="}]|` + topic,
		`+I c|2|3|0|2023-11-14T22:13:20Z|[]|` + topic, `+I d|2|3|0|2023-11-14T22:13:20Z|[]|` + topic,
		"! " + topic + `/0 offset 1 key: column id: expected INT, found text "x" "{\"id\":\"x\"}"`,
		"! " + topic + `/0 offset 3 key: expected one row, found 2`,
		"! " + topic + `/0 offset 5 malformed JSON`,
	}
	for i := range max(len(rows), len(want)) {
		if i >= len(rows) || i >= len(want) || !strings.HasPrefix(rows[i], want[i]) {
			t.Errorf("row %d of %d: got %q, want %q", i, len(rows), rows[min(i, len(rows)-1)], want[min(i, len(want)-1)])
		}
	}
}

func TestDebeziumChangesCarryKinds(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "cdc", 1)
	b.produce(t, topic, 0, `{"op":"c","after":{"id":1,"s":"a"}}`, `{"op":"u","before":{"id":1,"s":"a"},"after":{"id":1,"s":"b"}}`, "", `{"op":"d","before":{"id":1,"s":"b"}}`)
	s := opened(t, b.table(topic, map[string]string{"format": "debezium-json"}), true)
	if got, want := strings.Join(connectortest.Read(t, s, nil, poll(t, s, nil, 100)), " "), "+I 1|a -U 1|a +U 1|b -D 1|b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStartupModes(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "modes", 1)
	b.produce(t, topic, 0, messages(0, 5)...)
	r := &kgo.Record{Topic: topic, Value: []byte(`{"id":5}`), Timestamp: time.UnixMilli(1_760_000_000_000)}
	if err := b.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	group := map[string]string{"scan.startup.mode": "group-offsets", "properties.group.id": b.prefix + "g", "properties.auto.offset.reset": "earliest"}
	for _, c := range []struct {
		opts map[string]string
		want int
	}{
		{nil, 6},
		{map[string]string{"scan.startup.mode": ""}, 6},
		{map[string]string{"scan.startup.mode": "latest-offset"}, 0},
		{map[string]string{"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": "partition:0,offset:4"}, 2},
		{map[string]string{"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": "1750000000000"}, 1},
		{map[string]string{"scan.bounded.mode": "specific-offsets", "scan.bounded.specific-offsets": "partition:0,offset:2"}, 2},
		{map[string]string{"scan.bounded.mode": "timestamp", "scan.bounded.timestamp-millis": "1750000000000"}, 5},
		{group, 6},
	} {
		if c.opts != nil && c.opts["scan.startup.mode"] == "" && len(c.opts) == 1 {
			c.opts["properties.auto.offset.reset"] = "earliest"
		}
		s := opened(t, b.table(topic, c.opts), true)
		to := poll(t, s, nil, 100)
		if n := len(connectortest.Read(t, s, nil, to)); n != c.want {
			t.Errorf("%v: %d rows, want %d", c.opts, n, c.want)
		}
	}
	// Committed offsets of the group are where the next reader of the group begins.
	s := opened(t, b.table(topic, group), true)
	to := poll(t, s, nil, 4)
	if err := s.Commit(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	s = opened(t, b.table(topic, group), true)
	if n := len(connectortest.Read(t, s, nil, poll(t, s, nil, 100))); n != 2 {
		t.Errorf("the group goes on with %d rows, want 2", n)
	}
	delete(group, "properties.auto.offset.reset")
	group["properties.group.id"] = b.prefix + "other"
	if _, _, err := opened(t, b.table(topic, group), true).Poll(t.Context(), nil, 1); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "auto.offset.reset") {
		t.Errorf("a group without offsets: %v", err)
	}
}

// "latest" is decided once: what comes after the first poll is read, also by a later process.
func TestLatestIsRecorded(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "late", 2)
	b.produce(t, topic, 0, messages(0, 3)...)
	tb := b.table(topic, map[string]string{"scan.startup.mode": "latest-offset"})
	s := opened(t, tb, false)
	first := poll(t, s, nil, 10)
	if len(first) != 2 || len(connectortest.Read(t, s, nil, first)) != 0 {
		t.Fatalf("first poll: %v", first)
	}
	b.produce(t, topic, 0, messages(3, 2)...)
	b.produce(t, topic, 1, messages(9, 1)...)
	again := opened(t, tb, false)
	to := poll(t, again, first, 10)
	if n := len(connectortest.Read(t, again, first, to)); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
	if n := len(connectortest.Read(t, again, nil, to)); n != 3 {
		t.Errorf("%d rows from the recorded start, want 3", n)
	}
}

func TestLostPositions(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "lost", 1)
	b.produce(t, topic, 0, messages(0, 10)...)
	tb := b.table(topic, nil)
	s := opened(t, tb, false)
	to := poll(t, s, nil, 5)
	expect := func(what, want string) {
		t.Helper()
		s := opened(t, tb, false)
		if _, _, err := s.Poll(t.Context(), to, 5); !errors.Is(err, connector.ErrPositionLost) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), topic+"/0") {
			t.Errorf("%s: poll says %v", what, err)
		}
		err := s.Read(t.Context(), nil, to, func(connector.Chunk) error { return nil })
		if !errors.Is(err, connector.ErrPositionLost) {
			t.Errorf("%s: read says %v", what, err)
		}
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = 8
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(t.Context(), b.client); err != nil {
		t.Fatal(err)
	}
	expect("retention", "retention has removed it")
	b.drop(t, topic)
	if b.fake == nil {
		time.Sleep(2 * time.Second) // a real broker deletes in the background
	}
	expect("deleted", "gone")
	b.topic(t, "lost", 1)
	b.connect(t) // the old client knows the topic by its old id
	b.produce(t, topic, 0, messages(0, 10)...)
	expect("made again", "made again")
	if _, _, err := opened(t, b.table("none"+topic, nil), false).Poll(t.Context(), nil, 1); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("unknown topic: %v", err)
	}
	for _, bad := range []connector.Offsets{{"x": "0:1:"}, {topic + "/0": "5"}, {topic + "/0": "5:1:"}} {
		if _, _, err := opened(t, tb, false).Poll(t.Context(), bad, 1); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestNewPartitionsAreFound(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "grow", 1)
	b.produce(t, topic, 0, messages(0, 2)...)
	now := time.Unix(1000, 0)
	tb := b.table(topic, map[string]string{"scan.startup.mode": "latest-offset", "scan.topic-partition-discovery.interval": "1 min"})
	src, err := openSource(t.Context(), connector.Context{Table: tb, Options: tb.Options, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	from := poll(t, src, nil, 10)
	req := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, 2
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(t.Context(), b.client); err != nil {
		t.Fatal(err)
	}
	b.connect(t) // the old client knows one partition
	if err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: 1, Value: []byte(`{"id":7}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if to := poll(t, src, from, 10); !connectortest.Equal(from, to) {
		t.Errorf("found before the interval: %v", to)
	}
	now = now.Add(time.Minute)
	to := poll(t, src, from, 10)
	if rows := connectortest.Read(t, src, from, to); len(rows) != 1 || !strings.HasPrefix(rows[0], "+I 7") {
		t.Errorf("a partition that appears is read from its beginning: %v %v", rows, to)
	}
}

// A partition that moves to another broker is followed without an error.
func TestLeaderMoves(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "moving"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := &broker{addr: strings.Join(c.ListenAddrs(), ","), fake: c}
	b.connect(t)
	b.produce(t, "moving", 0, messages(0, 10)...)
	s := opened(t, b.table("moving", nil), false)
	first := poll(t, s, nil, 5)
	if n := len(connectortest.Read(t, s, nil, first)); n != 5 {
		t.Fatalf("%d rows, want 5", n)
	}
	s.fetched = map[partition]*prefetch{} // what was read ahead would hide the move
	to := poll(t, s, first, 100)
	if err := c.MoveTopicPartition("moving", 0, (c.LeaderFor("moving", 0)+1)%2); err != nil {
		t.Fatal(err)
	}
	if n := len(connectortest.Read(t, s, first, to)); n != 5 {
		t.Errorf("%d rows from the new leader, want 5", n)
	}
}

func BenchmarkRead(b *testing.B) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "bench"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("bench"))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	const n = 200_000
	for _, m := range messages(0, n) {
		client.Produce(b.Context(), kgo.StringRecord(m), nil)
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	tb := (&broker{addr: c.ListenAddrs()[0]}).table("bench", nil)
	for b.Loop() {
		s, err := openSource(b.Context(), connector.Context{Table: tb, Options: tb.Options, Bounded: true})
		if err != nil {
			b.Fatal(err)
		}
		rows := int64(0)
		to, _, err := s.Poll(b.Context(), nil, 4*n)
		if err == nil {
			err = s.Read(b.Context(), nil, to, func(c connector.Chunk) error {
				rows += c.Rows.NumRows()
				return nil
			})
		}
		if err != nil || rows != n {
			b.Fatalf("%d rows, %v", rows, err)
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func TestTransactionsThatAbortAreNotRead(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "tx", 1)
	tx, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(b.addr, ",")...), kgo.TransactionalID(b.prefix+"tx"), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for i, commit := range []bool{true, false, true, false} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, m := range messages(10*i, 3) {
			if err := tx.ProduceSync(t.Context(), kgo.StringRecord(m)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []int{1, 2, 100} { // ranges that end inside and behind aborted rows and markers
		s := opened(t, b.table(topic, nil), true)
		var from connector.Offsets
		n := 0
		for {
			to, end, err := s.Poll(t.Context(), from, step)
			if err != nil {
				t.Fatal(err)
			}
			n += len(connectortest.Read(t, s, from, to))
			if from = to; end {
				break
			}
		}
		if n != 6 {
			t.Errorf("steps of %d: %d rows, want the 6 committed ones", step, n)
		}
	}
	s := opened(t, b.table(topic, map[string]string{"properties.isolation.level": "read_uncommitted"}), true)
	if n := len(connectortest.Read(t, s, nil, poll(t, s, nil, 100))); n != 12 {
		t.Errorf("uncommitted: %d rows, want 12", n)
	}
}

func TestBrokerThatIsAwayIsUnavailable(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the retries of a client")
	}
	tb := (&broker{addr: "127.0.0.1:1"}).table("x", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	_, _, err := opened(t, tb, false).Poll(ctx, nil, 1)
	if !errkind.Is(err, errkind.Unavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no broker: %v", err)
	}
}

func TestWrongOptions(t *testing.T) {
	b := &broker{addr: "x:1"}
	for _, c := range []struct {
		opts map[string]string
		want string
	}{
		{map[string]string{"topic": ""}, "option 'topic' is missing"},
		{map[string]string{"topic-pattern": "a.*"}, "either 'topic' or 'topic-pattern'"},
		{map[string]string{"properties.bootstrap.servers": ""}, "'properties.bootstrap.servers' is missing"},
		{map[string]string{"format": ""}, "option 'format' is missing"},
		{map[string]string{"format": "avro"}, "'format' = 'avro'"},
		{map[string]string{"scan.startup.mode": "newest"}, "'scan.startup.mode' = 'newest'"},
		{map[string]string{"scan.startup.mode": "group-offsets"}, "properties.group.id"},
		{map[string]string{"scan.startup.mode": "timestamp"}, "'scan.startup.timestamp-millis' is missing"},
		{map[string]string{"scan.startup.timestamp-millis": "5"}, "is for 'scan.startup.mode' = 'timestamp'"},
		{map[string]string{"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": "0:5"}, "expected partition:0,offset:42"},
		{map[string]string{"key.fields": "id"}, "needs 'key.format'"},
		{map[string]string{"key.format": "json", "key.fields": "nope"}, "no physical column nope"},
		{map[string]string{"properties.ssl.keystore.password": "hunter2"}, "'properties.ssl.keystore.password' = '***'"},
		{map[string]string{"properties.security.protocol": "SASL_SSL"}, "sasl.jaas.config"},
		{map[string]string{"sink.delivery-guarantee": "none"}, "expected one of exactly-once, at-least-once"},
		{map[string]string{"csv.header": "true", "format": "csv"}, "messages have no header"},
	} {
		if err := Factory().Validate(b.table("t", c.opts)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: got %v, want %q", c.opts, err, c.want)
		}
	}
	good := b.table("t", map[string]string{"properties.security.protocol": "SASL_SSL", "properties.fetch.max.bytes": "5",
		"properties.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p\"w";`})
	if err := Factory().Validate(good); err != nil {
		t.Error(err)
	}
	if f := Factory(); !f.Unbounded(good) || f.Unbounded(b.table("t", map[string]string{"scan.bounded.mode": "latest-offset"})) || !f.Passing {
		t.Error("unbounded unless scan.bounded.mode is set")
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("0:5:abc")
	f.Add("9:5:")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition("t/0", connector.Position(text))
		if err != nil {
			return
		}
		if again, err := parsePosition("t/0", p.String()); err != nil || again != p {
			t.Fatalf("%q: %v %v", text, again, err)
		}
	})
}
