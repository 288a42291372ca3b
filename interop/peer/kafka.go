package peer

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/testpeer"
)

const (
	// kafkaStartTimeout covers a machine that is busy with other tests; the broker
	// itself needs about ten seconds.
	kafkaStartTimeout = 3 * time.Minute
	kafkaHeap         = "-Xmx512m"
	// kafkaStarted is what the broker logs once it serves.
	kafkaStarted = "Kafka Server started"
)

// Broker is a running Kafka broker, controller and broker in one process.
type Broker struct {
	Addr string // "127.0.0.1:port", for clients' bootstrap
	lib  string // folder of jars
	dir  string // configuration and data
}

// Kafka starts a broker until the test ends. Topics are made at their first use, with
// three partitions.
func Kafka(t testing.TB) *Broker {
	t.Helper()
	java := testpeer.InPath(t, "java", "apt-get install openjdk-17-jdk-headless")
	lib := filepath.Join(peersDir(t), "kafka-lib")
	if _, err := os.Stat(lib); err != nil {
		testpeer.Missing(t, "Kafka ("+lib+")", "scripts/peers.sh kafka")
	}
	b := &Broker{Addr: testpeer.FreeAddr(t), lib: lib, dir: t.TempDir()}
	config := filepath.Join(b.dir, "server.properties")
	if err := os.WriteFile(config, []byte(b.properties(testpeer.FreeAddr(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	format := b.command(java, "kafka.tools.StorageTool", "format", "-t", hex.EncodeToString(id[:])[:22], "-c", config)
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("format Kafka's storage: %v: %s", err, out)
	}
	p, err := testpeer.Start(t, b.command(java, "kafka.Kafka", config))
	if err != nil {
		t.Fatalf("start Kafka: %v", err)
	}
	if err := p.WaitPrinted(kafkaStarted, kafkaStartTimeout); err != nil {
		t.Fatalf("start Kafka: %v", err)
	}
	return b
}

func (b *Broker) command(java string, args ...string) *exec.Cmd {
	jvm := []string{kafkaHeap, "-XX:+UseSerialGC", "-cp", filepath.Join(b.lib, "*")}
	cmd := exec.Command(java, append(jvm, args...)...)
	cmd.Dir = b.dir
	return cmd
}

func (b *Broker) properties(controller string) string {
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[3]s
num.partitions=3
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
`, b.Addr, controller, filepath.Join(b.dir, "data"))
}
