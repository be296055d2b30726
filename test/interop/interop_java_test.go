package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/test/ledger"
	"parley/test/rig"
)

// consumer is the Java program, which is asked line by line.
type consumer struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// next is a line that the consumer printed itself; Dubbo prints others.
func (c *consumer) next() (word, rest string) {
	c.t.Helper()
	for c.out.Scan() {
		word, rest, _ := strings.Cut(c.out.Text(), " ")
		switch word {
		case "INSPECT", "STARTED", "DELTA", "FINISHED", "ERROR", "END":
			return word, rest
		}
	}
	c.t.Fatalf("the consumer has ended: %v", c.out.Err())
	return "", ""
}

// ask gives what was printed for a question, by the words.
func (c *consumer) ask(model, question string) map[string][]string {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, "%s\t%s\n", model, question); err != nil {
		c.t.Fatal(err)
	}
	got := map[string][]string{}
	for {
		word, rest := c.next()
		if word == "END" {
			return got
		}
		got[word] = append(got[word], rest)
	}
}

// TestJavaConsumer: a plain consumer on Apache Dubbo for Java finds Parley's servers in Nacos, streams answers, understands errors, and goes on
// when a server dies.
func TestJavaConsumer(t *testing.T) {
	rig.Need(t)
	home := Installed(t, "java")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	must(err)
	t.Cleanup(r.Close)
	model, err := r.StartModel(ctx, llm.Pace{Between: 30 * time.Millisecond, Chunks: 8})
	must(err)
	var servers []*rig.Node
	for i := range 2 {
		s, err := r.StartNode(ctx, "server", fmt.Sprint("server-", i+1), []string{"OPENAI_API_KEY=sk-rig"}, func(addr, ops string) string {
			_, port, _ := net.SplitHostPort(addr)
			return fmt.Sprintf("rpc: {listen: %q, insecure: true}\nhttp: {ops: %q}\noutbound: [%q]\n", net.JoinHostPort(outward(), port), ops, model.Origin) + r.Live()
		})
		must(err)
		servers = append(servers, s)
	}
	c := startConsumer(ctx, t, home, r)
	if word, version := c.next(); word != "INSPECT" || version == "" {
		t.Errorf("a unary call gave %s %q", word, version)
	}
	c.streams("zhang")
	got := c.ask("nothing", "q")
	if len(got["ERROR"]) != 1 || !strings.Contains(got["ERROR"][0], "not_found") {
		t.Errorf("an unknown model: %v", got)
	}
	for i := range 8 { // over both servers
		c.streams(fmt.Sprint("before", i))
	}
	servers[0].Kill()
	for i, end := 0, time.Now().Add(time.Minute); ; i++ { // until Nacos says so, calls may go there
		got := c.ask("chat", ledger.Question(ledger.ID{Person: fmt.Sprint("after", i), N: 1}))
		if len(got["FINISHED"]) == 1 && i >= 4 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after a server died: %v", got)
		}
	}
	c.streams("li")
}

// outward is an address of this machine that is not loopback, if it has one: Dubbo for Java takes every provider on loopback for one on the first
// such address of its own.
func outward() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	return "127.0.0.1"
}

// streams asks a question and judges the answer.
func (c *consumer) streams(person string) {
	c.t.Helper()
	question := ledger.Line{Role: "user", Text: ledger.Question(ledger.ID{Person: person, N: 1})}
	got := c.ask("chat", question.Text)
	text := strings.Join(got["DELTA"], "")
	if len(got["STARTED"]) != 1 || got["STARTED"][0] != "openai/gpt-4o-mini" || len(got["DELTA"]) < 4 ||
		!strings.HasPrefix(text, ledger.Answer([]ledger.Line{question})) || len(got["FINISHED"]) != 1 || got["FINISHED"][0] != "stop "+text {
		c.t.Errorf("asked %s: %v", question.Text, got)
	}
}

func startConsumer(ctx context.Context, t *testing.T, home string, r *rig.Rig) *consumer {
	t.Helper()
	log, err := os.Create(filepath.Join(r.Dir, "consumer.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "java", "-Xmx256m",
		"-Ddubbo.application.service-discovery.migration=FORCE_INTERFACE", "-Ddubbo.application.logger=jdk", "-DJM.LOG.PATH="+r.Dir, "-Duser.home="+r.Dir,
		"-cp", filepath.Join(home, "target", "classes")+":"+filepath.Join(home, "target", "lib", "*"),
		"consumer.Consumer", r.Nacos.Addr, r.Nacos.Namespace)
	cmd.Dir, cmd.Stderr = r.Dir, log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the consumer said:\n%s", said[max(0, len(said)-4000):])
		}
		_ = log.Close()
	})
	return &consumer{t: t, in: in, out: bufio.NewScanner(out)}
}
