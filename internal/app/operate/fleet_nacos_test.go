package operate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/app"
	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/rpc"
	simllm "parley/internal/sim/llm"
)

// TestServerProcess is no test: it is the program of the servers that TestSwitchOverNacos starts, because dubbo-go allows one server a process.
func TestServerProcess(t *testing.T) {
	path := os.Getenv("PARLEY_TEST_SERVER_YAML")
	if path == "" {
		t.Skip("not a server of another test")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := app.RunServer(ctx, wire.Env{Stdout: io.Discard, Stderr: os.Stderr}, path); err != nil {
		t.Fatal(err)
	}
}

// nacosRoom is a namespace of its own in the real Nacos, edited over plain HTTP, as the console does.
type nacosRoom struct {
	t    *testing.T
	addr string
	id   string
}

func newNacosRoom(t *testing.T) *nacosRoom {
	t.Helper()
	addr := os.Getenv("PARLEY_TEST_NACOS")
	if addr == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PARLEY_TEST_NACOS is not set: this test needs a real Nacos (make test starts one)")
		}
		t.Skip("PARLEY_TEST_NACOS is not set: NOT tested against a real Nacos; set it to host:port, or run make test")
	}
	n := &nacosRoom{t, addr, fmt.Sprintf("parley-switch-%d", os.Getpid())}
	n.call(http.MethodPost, "/nacos/v3/admin/core/namespace", url.Values{"namespaceId": {n.id}, "namespaceName": {n.id}})
	t.Cleanup(func() { n.call(http.MethodDelete, "/nacos/v3/admin/core/namespace", url.Values{"namespaceId": {n.id}}) })
	return n
}

func (n *nacosRoom) call(method, path string, form url.Values) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+n.addr+path+"?"+form.Encode(), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		n.t.Fatalf("%s %s: %s %s", method, path, res.Status, body)
	}
}

func (n *nacosRoom) publish(name, content string) {
	n.t.Helper()
	n.call(http.MethodPost, "/nacos/v3/admin/cs/config", url.Values{"namespaceId": {n.id}, "groupName": {"PARLEY"}, "dataId": {name}, "content": {content}, "type": {"yaml"}})
	n.t.Cleanup(func() { n.remove(name) })
}

func (n *nacosRoom) remove(name string) {
	n.t.Helper()
	n.call(http.MethodDelete, "/nacos/v3/admin/cs/config", url.Values{"namespaceId": {n.id}, "groupName": {"PARLEY"}, "dataId": {name}})
}

// elsewhere runs the test again without the race detector, if there is one, and reports whether it did: nacos-sdk-go's naming client sorts
// and replaces what its other goroutines read.
func elsewhere(t *testing.T) bool {
	t.Helper()
	if !raceDetector || os.Getenv("PARLEY_TEST_NACOS") == "" {
		return false
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^"+t.Name()+"$", "-v", ".").CombinedOutput()
	t.Logf("without the race detector:\n%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("failed: %v", err)
	}
	return true
}

// fleetTest is several server processes, two providers, and a client beside them.
type fleetTest struct {
	t       *testing.T
	dir     string
	nacos   *nacosRoom
	origins string
	models  map[string]*simllm.Server
	client  *rpc.Client
	path    string // of a server.yaml, for the operator's commands
}

func newFleetTest(t *testing.T) *fleetTest {
	f := &fleetTest{t: t, dir: t.TempDir(), nacos: newNacosRoom(t), models: map[string]*simllm.Server{}}
	routes, origins := "providers:\n", []string{}
	for _, name := range []string{"openai", "chatglm"} {
		f.models[name] = simllm.New(simllm.Options{Vendor: simllm.OpenAI})
		origin, stop, err := f.models[name].Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		routes += fmt.Sprintf("  %s: {dialect: openai, base_url: %s/v1, key: env:OPENAI_API_KEY}\n", name, origin)
		origins = append(origins, origin)
	}
	f.origins = strings.Join(origins, ", ")
	f.nacos.publish("parley-routes", routes+"models: {chat: [openai/gpt-4o, chatglm/glm-4.6]}\n")
	f.nacos.publish("tenant.acme", "name: acme\n")
	var err error
	f.client, err = rpc.Dial(rpc.ClientOptions{Registry: rpc.Registry{Mode: rpc.ModeNacos, Nacos: rpc.Nacos{Addrs: []string{f.nacos.addr}, Namespace: f.nacos.id}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.client.Close() })
	return f
}

// node is one server process.
type node struct {
	f        *fleetTest
	rpc, ops string
	path     string
	cmd      *exec.Cmd
	log      *processLog
}

// processLog is what a process has printed so far.
type processLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *processLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (f *fleetTest) node(nacos string) *node {
	n := &node{f: f, rpc: freeAddr(f.t), ops: freeAddr(f.t)}
	n.path = filepath.Join(f.dir, strings.ReplaceAll(n.rpc, ":", "-")+".server.yaml")
	content := fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%s]\nregistry: {mode: nacos, nacos: {addrs: [%q], namespace: %q}}\n", n.rpc, n.ops, f.origins, nacos, f.nacos.id)
	if err := os.WriteFile(n.path, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(n.kill)
	return n
}

func (n *node) start() *node {
	n.f.t.Helper()
	n.log = &processLog{}
	n.cmd = exec.Command(os.Args[0], "-test.run=^TestServerProcess$")
	n.cmd.Env = append(os.Environ(), "PARLEY_TEST_SERVER_YAML="+n.path, "OPENAI_API_KEY=sk-test")
	n.cmd.Stderr = n.log
	if err := n.cmd.Start(); err != nil {
		n.f.t.Fatal(err)
	}
	return n
}

func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
	n.cmd = nil
	if n.f.t.Failed() {
		n.f.t.Logf("server %s said:\n%s", n.rpc, n.log)
	}
}

// readyz is the answer of /readyz: its status and body.
func (n *node) readyz() (int, string) { return n.get("/readyz") }

func (n *node) get(path string) (int, string) {
	res, err := http.Get("http://" + n.ops + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func (n *node) ready() *node {
	n.f.t.Helper()
	eventually(n.f.t, n.rpc+" is ready", func() bool { code, _ := n.readyz(); return code == http.StatusOK })
	return n
}

// degradation is what the server says of parley-degradation.
func (n *node) degradation() rpc.Document {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	st, err := n.f.client.Inspect(ctx, n.rpc)
	if err != nil {
		return rpc.Document{}
	}
	for _, d := range st.Documents {
		if d.Name == "parley-degradation" {
			return d
		}
	}
	return rpc.Document{}
}

func eventually(t *testing.T, what string, good func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !good() {
		if time.Since(began) > time.Minute {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// all waits until every server has a form in force that is not old, and logs how long that took. What comes of it is measured elsewhere.
func (f *fleetTest) all(what, old string, nodes ...*node) {
	f.t.Helper()
	took := eventually(f.t, what, func() bool {
		for _, n := range nodes {
			if d := n.degradation(); d.Revision == old || d.Refused != "" {
				return false
			}
		}
		return true
	})
	f.t.Logf("%s: in force on %d servers after %v", what, len(nodes), took.Round(time.Millisecond))
}

// ask runs one turn over the registry's servers; started is called with who answers.
func (f *fleetTest) ask(conversation string, started func(chat.Start)) (chat.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return f.client.Complete(ctx, chat.Request{Tenant: "acme", Conversation: conversation, Turn: "t", Attempt: 1, Model: "chat", Question: "hello " + conversation, Deltas: true},
		func(e chat.Event) {
			if e.Kind == chat.Started && started != nil {
				started(e.Start)
			}
		})
}

// answers asks n conversations and counts who answered; every one must be answered.
func (f *fleetTest) answers(n int) map[string]int {
	f.t.Helper()
	count := map[string]int{}
	for i := range n {
		reply, err := f.ask(fmt.Sprint("c", i), nil)
		if err != nil {
			f.t.Fatal(err)
		}
		who := reply.Provider
		if reply.Degraded {
			who += " degraded"
		}
		count[who]++
	}
	return count
}

func (f *fleetTest) want(what string, n int, who string) {
	f.t.Helper()
	if got := f.answers(n); got[who] != n {
		f.t.Errorf("%s: answered by %v, want all by %s", what, got, who)
	}
}

func (f *fleetTest) command(run func(env wire.Env) error) string {
	f.t.Helper()
	var out bytes.Buffer
	if err := run(wire.Env{Stdout: &out, Stderr: &out}); err != nil {
		f.t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// nacosDoor passes Nacos' two ports on while it is open.
type nacosDoor struct {
	addr string
	mu   sync.Mutex
	open bool
	cons []net.Conn
}

func newNacosDoor(t *testing.T, target string) *nacosDoor {
	t.Helper()
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	d := &nacosDoor{}
	for d.addr == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		g, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port+1000))
		if err != nil {
			_ = l.Close()
			continue
		}
		d.addr = l.Addr().String()
		t.Cleanup(func() { _ = l.Close(); _ = g.Close(); d.set(false) })
		go d.serve(l, target)
		go d.serve(g, fmt.Sprintf("%s:%d", host, number+1000))
	}
	return d
}

func (d *nacosDoor) serve(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		d.mu.Lock()
		if err != nil || !d.open {
			_ = in.Close()
			if err == nil {
				_ = out.Close()
			}
		} else {
			d.cons = append(d.cons, in, out)
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
		d.mu.Unlock()
	}
}

// set opens the door, or closes it and cuts what passes.
func (d *nacosDoor) set(open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = open
	if !open {
		for _, c := range d.cons {
			_ = c.Close()
		}
		d.cons = nil
	}
}
