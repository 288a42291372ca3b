package kafka

import (
	"crypto/tls"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/weir-lake/weir/compute/connector"
)

const (
	// dialTimeout and retryTimeout bound how long a broker that is away holds an epoch up
	// before the job reports it.
	dialTimeout  = 5 * time.Second
	retryTimeout = 15 * time.Second
	// fetchBytes bounds what is read ahead for one table.
	fetchBytes = 16 << 20
)

// clientOptions are the 'properties.*' of a table: Kafka's own client settings.
type clientOptions struct {
	brokers     []string
	clientID    string
	group       string
	reset       string // auto.offset.reset: earliest, latest or none
	uncommitted bool
	tls         bool
	sasl        sasl.Mechanism
}

// tunings are client settings that change no result and are left to this client's defaults.
var tunings = []string{
	"auto.commit.interval.ms", "enable.auto.commit", "fetch.max.bytes", "fetch.max.wait.ms", "fetch.min.bytes", "max.poll.records",
	"max.partition.fetch.bytes", "max.poll.interval.ms", "request.timeout.ms", "session.timeout.ms", "heartbeat.interval.ms", "receive.buffer.bytes",
	"send.buffer.bytes", "reconnect.backoff.ms", "reconnect.backoff.max.ms", "retry.backoff.ms", "metadata.max.age.ms", "connections.max.idle.ms",
	"batch.size", "linger.ms", "buffer.memory", "compression.type", "acks", "enable.idempotence", "transaction.timeout.ms", "max.request.size",
	"partition.discovery.interval.ms", "client.dns.lookup", "group.instance.id", "key.deserializer", "value.deserializer", "key.serializer", "value.serializer",
}

// credential reads name="value" of a JAAS line.
var credential = regexp.MustCompile(`(username|password)\s*=\s*"((?:[^"\\]|\\.)*)"`)

func readClientOptions(r *connector.OptionReader) clientOptions {
	const p = "properties."
	o := clientOptions{clientID: r.String(p+"client.id", "weir"), group: r.String(p+"group.id", "")}
	for _, b := range strings.Split(r.Required(p+"bootstrap.servers"), ",") {
		o.brokers = append(o.brokers, strings.TrimSpace(b))
	}
	o.reset = r.Enum(p+"auto.offset.reset", "latest", "earliest", "none")
	if !r.Has(p + "auto.offset.reset") {
		o.reset = "none" // Flink: a group without offsets is an error unless this is set
	}
	o.uncommitted = r.Enum(p+"isolation.level", "read_committed", "read_uncommitted") == "read_uncommitted"
	protocol := r.Enum(p+"security.protocol", "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
	o.tls = strings.HasSuffix(protocol, "SSL")
	mechanism := r.Enum(p+"sasl.mechanism", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
	jaas := r.String(p+"sasl.jaas.config", "")
	if strings.HasPrefix(protocol, "SASL") {
		login := map[string]string{}
		for _, m := range credential.FindAllStringSubmatch(jaas, -1) {
			login[m[1]] = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(m[2])
		}
		if login["username"] == "" {
			r.Fail(p+"security.protocol", `needs '%ssasl.jaas.config' with username="..." password="..."`, p)
		}
		o.sasl = saslMechanism(mechanism, login["username"], login["password"])
	}
	for k := range r.Prefix(p) {
		if !r.Known(p+k) && !slices.Contains(tunings, k) {
			r.Fail(p+k, "this setting of Kafka's client is not supported here")
		}
	}
	return o
}

func saslMechanism(name, user, password string) sasl.Mechanism {
	switch name {
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	}
	return plain.Auth{User: user, Pass: password}.AsMechanism()
}

// connect makes a client; it dials at the first request.
func (o *clientOptions) connect(extra ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.brokers...), kgo.ClientID(o.clientID), kgo.DialTimeout(dialTimeout), kgo.RetryTimeout(retryTimeout),
		kgo.DisableClientMetrics(),
	}
	if o.tls {
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if o.sasl != nil {
		opts = append(opts, kgo.SASL(o.sasl))
	}
	return kgo.NewClient(append(opts, extra...)...)
}

// isolation is the wire form of the isolation level.
func (o *clientOptions) isolation() int8 {
	if o.uncommitted {
		return 0
	}
	return 1
}
