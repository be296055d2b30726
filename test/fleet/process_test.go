package fleet

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/app"
	"parley/internal/app/wire"
	"parley/test/realdeps"
)

// A server runs as a process of its own: the test binary, started again with its configuration in the environment.
const envConfig = "PARLEY_FLEET_TEST_CONFIG"

func TestMain(m *testing.M) {
	path := os.Getenv(envConfig)
	if path == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := app.RunServer(ctx, wire.Env{Stdout: os.Stdout, Stderr: os.Stderr, Version: "test"}, path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// setting is what the servers of one test have in common.
type setting struct {
	t        *testing.T
	provider *provider
	registry string // the YAML of the registry
	dir      string
	limit    int
}

// server is one server process.
type server struct {
	name, addr, ops string
	cmd             *exec.Cmd
}

const testKey = "sk-of-the-fleet-test"

// start starts a server and waits until it is ready.
func (s *setting) start(name, addr string) *server {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	srv := &server{name: name, addr: addr, ops: freeAddr(s.t)}
	s.write(dir, "live/parley-routes.yaml", fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: "%s/%s/v1", key: env:FLEET_TEST_API_KEY, concurrency: %d}
models:
  chat: [openai/gpt-4o-mini]
`, s.provider.URL, name, s.limit))
	config := s.write(dir, "server.yaml", fmt.Sprintf(`rpc: {listen: %s}
http: {ops: %s}
registry: %s
live: {source: file, dir: %s}
outbound: ["%s"]
`, addr, srv.ops, s.registry, filepath.Join(dir, "live"), s.provider.URL))
	srv.cmd = exec.Command(os.Args[0], "-test.run=^$")
	srv.cmd.Dir = dir
	srv.cmd.Env = append(os.Environ(), envConfig+"="+config, "FLEET_TEST_API_KEY="+testKey, "PARLEY_LOG=text")
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	srv.cmd.Stdout, srv.cmd.Stderr = log, log
	if err := srv.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = log.Close()
	s.t.Cleanup(func() {
		_ = srv.cmd.Process.Kill()
		_ = srv.cmd.Wait()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("%s wrote:\n%s", name, text)
		}
	})
	s.eventually(name+" is ready", func() bool {
		answer, err := http.Get("http://" + srv.ops + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return srv
}

func (s *setting) write(dir, name, text string) string {
	s.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *setting) eventually(what string, ok func() bool) {
	s.t.Helper()
	for limit := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			s.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// kill ends a server as a crash does.
func (s *setting) kill(srv *server) {
	s.t.Helper()
	s.provider.bury(srv.name)
	if err := srv.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
}

// metric reads one metric without labels.
func (srv *server) metric(name string) (value float64) {
	answer, err := http.Get("http://" + srv.ops + "/metrics")
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			_, _ = fmt.Sscan(rest, &value)
		}
	}
	return value
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
