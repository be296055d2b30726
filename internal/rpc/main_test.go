package rpc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/telemetry"
)

// Servers that are killed, stopped and drained run as processes of their own: the test binary, started again with its role in the
// environment.
const (
	envRole    = "PARLEY_RPC_TEST_ROLE"
	envOptions = "PARLEY_RPC_TEST_OPTIONS"
)

func TestMain(m *testing.M) {
	roles := map[string]func(peerOptions) error{"server": runServer, "stock-server": runStockServer, "stock-client": runStockClient, "holder": runHolder, "keeper": runKeeper}
	role, ok := roles[os.Getenv(envRole)]
	if !ok {
		os.Exit(m.Run())
	}
	var o peerOptions
	err := json.Unmarshal([]byte(os.Getenv(envOptions)), &o)
	if err == nil {
		err = role(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "role:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// peerOptions is what another process is told.
type peerOptions struct {
	Listen    string
	Nacos     string
	Namespace string
	TLS       TLS
	Streams   int
	Drain     time.Duration
	Linger    time.Duration
	Target    string // of a client
}

func (o peerOptions) registry() Registry {
	if o.Nacos == "" {
		return Registry{Mode: ModeDirect}
	}
	return Registry{Mode: ModeNacos, Nacos: Nacos{Addrs: []string{o.Nacos}, Namespace: o.Namespace}}
}

func runServer(o peerOptions) error { return runServerWith(o, nil) }

func runKeeper(o peerOptions) error { return runServerWith(o, newDoorman()) }

func runServerWith(o peerOptions, keys KeyHandler) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // the parent's end of the pipe closes with the parent, however it dies
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	s, err := NewServer(ServerOptions{
		Listen: o.Listen, Registry: o.registry(), TLS: o.TLS, Streams: o.Streams, Drain: o.Drain, Linger: o.Linger, Handler: &script{}, Keys: keys, Version: "test",
		Telemetry: telemetry.New(os.Stderr, true, slog.LevelInfo),
	})
	if err != nil {
		return err
	}
	fmt.Println("listening", s.Addr())
	go func() {
		<-s.Ready()
		fmt.Println("ready", s.Addr())
	}()
	return s.Run(ctx)
}

// process is a process that a test started.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	addr  string
	lines chan string
	ended chan error
}

// startPeer starts a process in a role and waits for the line that begins with word.
func startPeer(t *testing.T, role string, o peerOptions, word string) *process {
	t.Helper()
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0], "-test.run=^$"), lines: make(chan string, 100), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), envRole+"="+role, envOptions+"="+string(options))
	p.cmd.Dir = t.TempDir()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	log := &strings.Builder{}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
		p.ended <- p.cmd.Wait()
		close(p.lines)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines { // until the process is gone and all of its log is here
		}
		if t.Failed() {
			t.Logf("%s %s wrote:\n%s", role, p.addr, log)
		}
	})
	p.addr = p.await(word)
	return p
}

// await gives the rest of the next line that begins with word.
func (p *process) await(word string) string {
	p.t.Helper()
	limit := time.After(60 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the process ended before it said %q", word)
			}
			if rest, ok := strings.CutPrefix(line, word); ok {
				return strings.TrimSpace(rest)
			}
		case <-limit:
			p.t.Fatalf("the process did not say %q", word)
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait gives how the process ended.
func (p *process) wait() error {
	p.t.Helper()
	go func() {
		for range p.lines {
		}
	}()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(60 * time.Second):
		p.t.Fatal("the process did not end")
		return nil
	}
}
