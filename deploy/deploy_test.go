package deploy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/objstore/s3test"
)

// weir is the program, built for this test run with help of every command by name.
type weir struct {
	path string
	help map[string]string
}

func buildWeir(t *testing.T) *weir {
	t.Helper()
	w := &weir{path: filepath.Join(t.TempDir(), "weir"), help: map[string]string{}}
	build := exec.Command("go", "build", "-tags", "duckdb_arrow", "-o", w.path, "./cmd/weir")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build weir: %v\n%s", err, out)
	}
	return w
}

// The binary is linked once for all checks: that takes longer than they do.
func TestFilesFitTheProgram(t *testing.T) {
	w := buildWeir(t)
	t.Run("Dockerfile", func(t *testing.T) { checkDockerfile(t, w) })
	t.Run("docker-compose.yml", func(t *testing.T) { checkCompose(t, w) })
	t.Run("start", func(t *testing.T) { checkStart(t, w) })
}

// helpOf is what `weir COMMAND --help` prints; empty for a command that is not there.
func (w *weir) helpOf(t *testing.T, command string) string {
	t.Helper()
	if h, ok := w.help[command]; ok {
		return h
	}
	out, err := exec.Command(w.path, command, "--help").Output()
	if err != nil {
		t.Errorf("weir %s --help: %v", command, err)
	}
	// One line a paragraph: what kong wraps stands together again.
	w.help[command] = strings.Join(strings.Fields(string(out)), " ")
	return w.help[command]
}

var (
	listenRE = regexp.MustCompile(`--listen="127\.0\.0\.1:(\d+)"`)
	pinnedRE = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$`)
)

// port is the one that the service listens at when nothing is said.
func (w *weir) port(t *testing.T) string {
	t.Helper()
	m := listenRE.FindStringSubmatch(w.helpOf(t, "serve"))
	if m == nil {
		t.Fatal("weir serve --help names no default of --listen")
	}
	return m[1]
}

// checkCommand checks the arguments of weir: a command and its flags.
func (w *weir) checkCommand(t *testing.T, args []string) {
	t.Helper()
	if len(args) == 0 {
		t.Error("no command")
		return
	}
	help := w.helpOf(t, args[0])
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "--") {
			continue
		}
		flag, _, _ := strings.Cut(a, "=")
		if !strings.Contains(help, " "+flag+"=") && !strings.Contains(help, " "+flag+" ") {
			t.Errorf("weir %s has no flag %s", args[0], flag)
		}
	}
}

// checkEnv checks that the service reads the variables named WEIR_*.
func (w *weir) checkEnv(t *testing.T, names []string) {
	t.Helper()
	for _, n := range names {
		if strings.HasPrefix(n, "WEIR_") && !strings.Contains(w.helpOf(t, "serve"), "$"+n+")") {
			t.Errorf("weir serve does not read %s", n)
		}
	}
}

// checkHealth checks that the command asks the default port for readiness.
func (w *weir) checkHealth(t *testing.T, command string) {
	t.Helper()
	if want := "http://127.0.0.1:" + w.port(t) + "/readyz"; !strings.Contains(command, want) {
		t.Errorf("health check %q does not ask %s", command, want)
	}
}

// instruction is one of a Dockerfile, continuation lines joined.
type instruction struct{ name, rest string }

func readDockerfile(t *testing.T) []instruction {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var out []instruction
	for s := bufio.NewScanner(strings.NewReader(strings.ReplaceAll(string(text), "\\\n", " "))); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("Dockerfile: %q is no instruction", line)
		}
		out = append(out, instruction{name, strings.TrimSpace(rest)})
	}
	return out
}

// all are the arguments of the instructions of that name.
func all(ins []instruction, name string) []string {
	var out []string
	for _, i := range ins {
		if i.name == name {
			out = append(out, i.rest)
		}
	}
	return out
}

func checkDockerfile(t *testing.T, w *weir) {
	ins := readDockerfile(t)
	froms := all(ins, "FROM")
	if len(froms) != 3 {
		t.Fatalf("%d stages, want one for the console, one for the program and one to run it", len(froms))
	}
	for _, f := range froms {
		if image := strings.Fields(f)[0]; !pinnedRE.MatchString(image) {
			t.Errorf("FROM %s: the version is not pinned", image)
		}
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if version == nil || !strings.HasPrefix(froms[1], "golang:"+string(version[1])+".") {
		t.Errorf("the build stage is %s, go.mod wants Go %s", froms[1], version)
	}
	if runs := strings.Join(all(ins, "RUN"), "\n"); !strings.Contains(runs, "-tags duckdb_arrow") || !strings.Contains(runs, "libstdc++6") {
		t.Error("the binary is built without DuckDB, or its C++ library is not installed")
	}
	if got := all(ins, "EXPOSE"); !slices.Equal(got, []string{w.port(t)}) {
		t.Errorf("EXPOSE %v, the default port is %s", got, w.port(t))
	}
	var names []string
	for _, pair := range strings.Fields(strings.Join(all(ins, "ENV"), " ")) {
		name, value, _ := strings.Cut(pair, "=")
		names = append(names, name)
		if name == "WEIR_LISTEN" && !strings.HasSuffix(value, ":"+w.port(t)) {
			t.Errorf("%s: the default port is %s", pair, w.port(t))
		}
	}
	w.checkEnv(t, names)
	w.checkHealth(t, strings.Join(all(ins, "HEALTHCHECK"), ""))
	if got := all(ins, "ENTRYPOINT"); !slices.Equal(got, []string{`["weir"]`}) {
		t.Errorf("ENTRYPOINT %v", got)
	}
	var args []string
	if err := yaml.Unmarshal([]byte(strings.Join(all(ins, "CMD"), "")), &args); err != nil {
		t.Fatalf("CMD: %v", err)
	}
	w.checkCommand(t, args)
}

// service is what a compose file says of a container.
type service struct {
	Build       *struct{ Context, Dockerfile string }
	Image       string
	Command     []string
	Entrypoint  []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Healthcheck health
	StopGrace   string                       `yaml:"stop_grace_period"`
	DependsOn   map[string]map[string]string `yaml:"depends_on"`
}

type health struct {
	Test                       []string
	Interval, Timeout, Retries string
	Start                      string `yaml:"start_period"`
}

type composeFile struct {
	Name     string
	Services map[string]service
	Volumes  map[string]any
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true) // a misspelt key is an error
	if err := dec.Decode(&c); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return c
}

func checkCompose(t *testing.T, w *weir) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Build == nil && !pinnedRE.MatchString(s.Image) {
			t.Errorf("%s: the version of image %s is not pinned", name, s.Image)
		}
		if len(s.Healthcheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		for _, v := range s.Volumes {
			if from, _, _ := strings.Cut(v, ":"); !hasKey(c.Volumes, from) {
				t.Errorf("%s: volume %s is not declared", name, from)
			}
		}
		for other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
	}
	s := c.Services["weir"]
	if s.Build == nil {
		t.Fatal("weir is not built from the source")
	}
	if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	w.checkCommand(t, s.Command)
	w.checkHealth(t, strings.Join(s.Healthcheck.Test, " "))
	var names []string
	for n := range s.Environment {
		names = append(names, n)
	}
	w.checkEnv(t, names)
	if want := "127.0.0.1:" + w.port(t) + ":" + w.port(t); !slices.Equal(s.Ports, []string{want}) {
		t.Errorf("ports %v, want %s", s.Ports, want)
	}
	if !strings.HasSuffix(s.Environment["WEIR_LISTEN"], ":"+w.port(t)) {
		t.Errorf("WEIR_LISTEN=%s: the default port is %s", s.Environment["WEIR_LISTEN"], w.port(t))
	}
	if d, err := time.ParseDuration(s.StopGrace); err != nil || d < 30*time.Second {
		t.Errorf("stop_grace_period %q: a last epoch needs 30s", s.StopGrace)
	}
}

func hasKey(m map[string]any, k string) bool {
	_, ok := m[k]
	return ok
}

// checkStart runs the compose file's command of weir over a real S3 server, until its health check succeeds.
func checkStart(t *testing.T, w *weir) {
	s3 := s3test.Start(t)
	s := readCompose(t).Services["weir"]
	args := slices.Clone(s.Command)
	for i, a := range args {
		if strings.HasPrefix(a, "s3://") {
			args[i] = "s3://" + s3.Bucket(t) + "/warehouse"
		}
		if a == "/data" {
			args[i] = t.TempDir()
		}
	}
	addr := testpeer.FreeAddr(t)
	cmd := exec.Command(w.path, args...)
	cmd.Env = append(append(os.Environ(), s3.Env()...), "WEIR_LISTEN="+addr)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, err := bufio.NewReader(out).ReadString('\n') // ends with the process
	if want := "ready http://" + addr + "\n"; ready != want {
		t.Errorf("it prints %q, want %q: %v\n%s", ready, want, err, log.String())
	}
	check := s.Healthcheck.Test[len(s.Healthcheck.Test)-1]
	res, err := http.Get(strings.Replace(check, "127.0.0.1:"+w.port(t), addr, 1))
	if err != nil {
		t.Error(err)
	} else if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s", check, res.Status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.String())
	}
}

// The addresses by which the service finds the others are theirs, and the versions those of the tests' peers.
func TestComposePeers(t *testing.T) {
	c := readCompose(t)
	env := c.Services["weir"].Environment
	for name, raw := range map[string]string{"s3": env["AWS_ENDPOINT_URL"], "postgres": env["WEIR_META"]} {
		u, err := url.Parse(regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAllString(raw, "$1"))
		if err != nil || u.Hostname() != name {
			t.Errorf("%s is not the address of service %s: %v", raw, name, err)
		}
	}
	s3 := strings.Join(c.Services["s3"].Entrypoint, " ")
	if u, err := url.Parse(env["AWS_ENDPOINT_URL"]); err != nil || !strings.Contains(s3, "--port :"+u.Port()+" ") {
		t.Errorf("%s does not listen at %s", s3, env["AWS_ENDPOINT_URL"])
	}
	for file, want := range map[string]string{
		"../tools/versitygw/go.mod": "github.com/versity/versitygw " + tag(c.Services["s3"].Image),
		"../scripts/peers.sh":       "kafka_version=" + tag(c.Services["kafka"].Image),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s tests with another version than %q", file, want)
		}
	}
}

func tag(image string) string { return image[strings.LastIndex(image, ":")+1:] }
