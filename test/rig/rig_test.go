package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/test/realdeps"
)

func TestParseUsage(t *testing.T) {
	// A name with brackets and spaces, as a process may give itself.
	stat := "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1000 500000 300 18446744073709551615"
	status := "Name:\ta\nVmPeak:\t 9000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t9\n"
	got, err := parseUsage([]byte(stat), []byte(status))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Usage{CPU: 3 * time.Second, RSS: 1 << 20, Peak: 2 << 20}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "42 (a) S 1", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x 50 0"} {
		if _, err := parseUsage([]byte(bad), nil); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(`# HELP parley_turns_total Finished turns.
# TYPE parley_turns_total counter
parley_turns_total{result="answered",tenant="acme"} 12
parley_turns_total{result="failed",tenant="acme"} 1
parley_turns_total_created 5
go_goroutines 7e+01
`))
	if err != nil {
		t.Fatal(err)
	}
	for want, got := range map[float64]float64{
		13: m.Sum("parley_turns_total"),
		12: m.Sum("parley_turns_total", `result="answered"`, `tenant="acme"`),
		70: m.Sum("go_goroutines"),
		0:  m.Sum("parley_turns"),
	} {
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if _, err := parseMetrics(strings.NewReader("parley_turns_total many\n")); err == nil {
		t.Error("a sample without a number is no error")
	}
}

func serve(t *testing.T, says string) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(says)) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func ask(t *testing.T, addr string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + addr)
	if err != nil {
		return "error"
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func TestBalancerTakesTurnsAndPassesByTheDead(t *testing.T) {
	dead, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBalancer(serve(t, "one"), dead, serve(t, "two"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	got := map[string]int{}
	for range 30 {
		got[ask(t, b.Addr)]++
	}
	// The dead one's turns go to the next.
	if diff := cmp.Diff(map[string]int{"one": 10, "two": 20}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBalancerWithoutReplicasBreaksTheConnection(t *testing.T) {
	dead, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBalancer(dead)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if got := ask(t, b.Addr); got != "error" {
		t.Errorf("got %q", got)
	}
}

func TestBalancerCloseEndsOpenConnections(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b, err := NewBalancer(silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	up, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	b.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection is open after Close: %v", err)
	}
}

func sleeper(t *testing.T, script string) *Process {
	t.Helper()
	p, err := start(t.TempDir(), "sleeper", []string{"WORD=hello"}, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// says waits until the process printed something.
func says(t *testing.T, p *Process, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := p.waitFor(ctx, "heard", func(context.Context) error {
		if got := p.Tail(3); !strings.Contains(got, want) {
			return fmt.Errorf("printed %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestProcessEnds(t *testing.T) {
	t.Run("killed", func(t *testing.T) {
		p := sleeper(t, "echo $WORD; exec sleep 100")
		says(t, p, "hello")
		p.Kill()
		p.Kill()
		if p.Alive() {
			t.Error("alive after Kill")
		}
	})
	t.Run("in good order", func(t *testing.T) {
		p := sleeper(t, "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
		says(t, p, "ready")
		if err := p.Term(30 * time.Second); err != nil {
			t.Error(err)
		}
	})
	t.Run("with a status", func(t *testing.T) {
		p := sleeper(t, "trap 'echo no; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
		says(t, p, "ready")
		if err := p.Term(30 * time.Second); err == nil || !strings.Contains(err.Error(), "status 3") || !strings.Contains(err.Error(), "no") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("deaf", func(t *testing.T) {
		p := sleeper(t, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
		says(t, p, "ready")
		if err := p.Term(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not end") {
			t.Errorf("got error %v", err)
		}
		if p.Alive() {
			t.Error("alive after Term gave up on it")
		}
	})
	t.Run("before it is ready", func(t *testing.T) {
		p := sleeper(t, "echo cannot; exit 1")
		err := p.waitFor(t.Context(), "ready", func(context.Context) error { return io.EOF })
		if err == nil || !strings.Contains(err.Error(), "cannot") {
			t.Errorf("the error does not show what was printed: %v", err)
		}
	})
}

func TestProcessIsPausedAndMeasured(t *testing.T) {
	p := sleeper(t, "echo ready; while :; do :; done")
	says(t, p, "ready")
	busy := p.Usage()
	deadline := time.Now().Add(30 * time.Second)
	for p.Usage().CPU <= busy.CPU {
		if time.Now().After(deadline) {
			t.Fatal("a busy process uses no CPU")
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Pause()
	state := func() string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		_, rest, _ := strings.Cut(string(b), ") ")
		return rest[:min(1, len(rest))]
	}
	for state() != "T" {
		if time.Now().After(deadline) {
			t.Fatalf("paused, its state is %q", state())
		}
		time.Sleep(time.Millisecond)
	}
	paused := p.Usage()
	if paused.RSS == 0 || paused.Peak < paused.RSS {
		t.Errorf("usage %+v", paused)
	}
	p.Resume()
	for p.Usage().CPU <= paused.CPU {
		if time.Now().After(deadline) {
			t.Fatal("a resumed process uses no CPU")
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Kill()
	if got := p.Usage().CPU; got < paused.CPU {
		t.Errorf("after its end it had used %s, before %s", got, paused.CPU)
	}
}

// TestProcessesEndWithTheirParent kills a program that started a process by force: nothing may stay behind.
func TestProcessesEndWithTheirParent(t *testing.T) {
	if dir := os.Getenv("RIG_TEST_PARENT"); dir != "" {
		p, err := start(dir, "child", nil, "sleep", "1000")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("started", p.PID())
		select {}
	}
	parent := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	parent.Env = append(os.Environ(), "RIG_TEST_PARENT="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscanf(line, "started %d", &pid); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	deadline := time.Now().Add(30 * time.Second)
	for running(pid) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the process outlived the one that started it")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// running is false for a zombie, too: where nobody reaps orphans they stay as such.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestNacosServesWhatWasPublished(t *testing.T) {
	addr := Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, b := Nacos{Addr: addr, Namespace: fmt.Sprintf("rig-test-%d-a", os.Getpid())}, Nacos{Addr: addr, Namespace: fmt.Sprintf("rig-test-%d-b", os.Getpid())}
	for i, n := range []Nacos{a, b} {
		if err := n.create(ctx); err != nil {
			t.Fatal(err)
		}
		for version := range 2 {
			if err := n.Publish(ctx, "parley-routes", fmt.Sprintf("models: {chat: [openai/%d-%d]}\n", i, version)); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(n Nacos) string {
		body, err := get(ctx, "http://"+addr+"/nacos/v1/cs/configs?"+n.config("parley-routes").Encode())
		if err != nil {
			return err.Error()
		}
		defer body.Close()
		s, _ := io.ReadAll(body)
		return string(s)
	}
	if got, want := read(a)+read(b), "models: {chat: [openai/0-1]}\nmodels: {chat: [openai/1-1]}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, n := range []Nacos{a, b} {
		if err := n.drop(ctx, []string{"parley-routes"}); err != nil {
			t.Error(err)
		}
	}
}
