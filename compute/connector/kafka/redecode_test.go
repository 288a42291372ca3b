package kafka

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/table/schema"
)

// forget removes a partition's messages before an offset, as retention does.
func (b *broker) forget(t *testing.T, topic string, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = before
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(t.Context(), b.client); err != nil {
		t.Fatal(err)
	}
}

func TestADeadLetterIsReadAgainFromItsTopic(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "again", 1)
	for _, r := range []struct{ key, value string }{{`{"k":1}`, `{"n":1}`}, {`{"k":2}`, `{"n":"2 apples"}`}} {
		if err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(r.key), Value: []byte(r.value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	at := column("o", schema.TBigInt)
	at.Metadata, at.Virtual = "offset", true
	keyed := map[string]string{"format": "", "value.format": "json", "key.format": "json", "key.fields": "k", "value.fields-include": "EXCEPT_KEY"}
	strict := b.table(topic, keyed, column("n", schema.TInt), column("k", schema.TInt), at)
	s := opened(t, strict, true)
	var letter connector.DeadLetter
	err := s.Read(t.Context(), nil, poll(t, s, nil, 10), func(c connector.Chunk) error {
		if len(c.Dead) > 0 {
			letter = c.Dead[0]
		}
		return nil
	})
	if err != nil || letter.Position != "offset 1" {
		t.Fatalf("%+v, %v", letter, err)
	}
	check := func(what string, s *source, want string) {
		t.Helper()
		c, err := s.Redecode(t.Context(), letter)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if c.Rows != nil {
			defer c.Rows.Release()
		}
		if got := connectortest.Lines(t, c); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("as before", opened(t, strict, true), "expected INT")
	loose := b.table(topic, keyed, column("n", schema.TString), column("k", schema.TInt), at)
	check("with its key", opened(t, loose, true), "+I 2 apples|2|1")

	if _, err := opened(t, b.table(topic+"x", nil), true).Redecode(t.Context(), letter); !errors.Is(err, connector.ErrOtherTable) {
		t.Errorf("another topic: %v", err)
	}
	odd := letter
	odd.Position = "line 1"
	if c, err := opened(t, loose, true).Redecode(t.Context(), odd); err != nil || len(c.Dead) != 1 {
		t.Errorf("an odd position: %v, %v", c, err)
	}

	b.forget(t, topic, 2)
	check("gone, with a key", opened(t, loose, true), "its key was not kept")
	value := b.table(topic, nil, column("n", schema.TString), at)
	check("gone, its value was kept", opened(t, value, true), "+I 2 apples|1")
	cut := letter
	cut.Raw = make([]byte, connector.MaxRawBytes)
	if c, err := opened(t, value, true).Redecode(t.Context(), cut); err != nil || len(c.Dead) != 1 || !strings.Contains(c.Dead[0].Reason, "beginning") {
		t.Errorf("cut: %v, %v", c, err)
	}

	// A topic made again has another message at the offset.
	b.drop(t, topic)
	b.topic(t, "again", 1)
	b.connect(t)
	b.produce(t, topic, 0, `{"n":"a"}`, `{"n":"b"}`)
	check("another message", opened(t, value, true), "+I 2 apples|1")
}
