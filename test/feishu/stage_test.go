package feishu

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	sim "parley/internal/sim/feishu"
	"parley/internal/sim/llm"
	"parley/test/ledger"
	"parley/test/rig"
)

const appID = "cli_rig000000000001"

// setting is what a stage is made with.
type setting struct {
	mode string // callback or stream
	card bool
	pace llm.Pace
}

// stage is a whole Parley whose tenant has a Feishu application; its secrets are files.
type stage struct {
	*testing.T
	setting
	ctx     context.Context
	rig     *rig.Rig
	sim     *sim.Sim
	app     sim.App
	origin  string
	model   *rig.Model
	server  *rig.Node
	clients []*rig.Node
	entry   *rig.Balancer
	dir     string // of documents
}

func newStage(ctx context.Context, t *testing.T, set setting) *stage {
	t.Helper()
	rig.Need(t)
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	s := &stage{T: t, setting: set, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, "live")}
	// A platform whose patience is that of the true one, and which repeats sooner.
	s.sim = sim.New(sim.Options{Retries: []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}, Again: 1})
	s.app = sim.App{AppID: appID, AppSecret: "secret-of-the-application", EncryptKey: "key-of-the-application", VerificationToken: "token-of-the-application"}
	s.serve()
	s.must(os.MkdirAll(s.dir, 0o755))
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Pace: set.pace})
	s.must(err)
	s.write("parley-routes.yaml", fmt.Sprintf(
		"providers:\n  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}\nmodels:\n  chat: [openai/gpt-4o-mini]\n", s.model.BaseURL()))
	s.secret("SECRET", s.app.AppSecret)
	s.secret("KEY", s.app.EncryptKey)
	s.secret("TOKEN", s.app.VerificationToken)
	s.document("file:KEY", "file:TOKEN")
	s.server, err = r.StartNode(ctx, "server", "server", []string{"OPENAI_API_KEY=sk-rig"}, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%q]\nregistry: {mode: direct}\nlive: {source: file, dir: %q}\n", addr, ops, s.model.Origin, s.dir)
	})
	s.must(err)
	var addresses []string
	for i := range 2 {
		c, err := r.StartNode(ctx, "client", fmt.Sprint("client-", i+1), nil, s.clientYAML)
		s.must(err)
		s.clients, addresses = append(s.clients, c), append(addresses, c.Addr)
	}
	s.entry, err = rig.NewBalancer(addresses...)
	s.must(err)
	t.Cleanup(s.entry.Close)
	s.app.Stream = set.mode == "stream"
	s.app.Callbacks = []string{"http://" + s.entry.Addr + "/callback/acme/lark"}
	s.must(s.sim.AddApp(s.app))
	if s.app.Stream {
		s.eventually(30*time.Second, "every replica holds a connection", func() bool { return s.sim.Connections(appID) == len(s.clients) })
	} else {
		s.eventually(30*time.Second, "the address is verified", func() bool { return s.sim.Verify(ctx, appID) == nil }) // which waits a second
	}
	return s
}

func (s *stage) clientYAML(addr, ops string) string {
	return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [acme]\nplatforms: {feishu: %q}\n"+
		"registry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\nsecrets: {dir: %q}\n",
		addr, ops, s.rig.Redis.Addr, s.origin, s.server.Addr, s.dir, filepath.Join(s.rig.Dir, "secrets"))
}

// document writes the tenant's; keys and tokens are references, one or a YAML list.
func (s *stage) document(keys, tokens string) {
	s.Helper()
	proof := ""
	if s.mode == "callback" {
		proof = fmt.Sprintf(", encrypt_key: %s, verification_token: %s", keys, tokens)
	}
	s.write("tenant.acme.yaml", fmt.Sprintf(`name: acme
state: active
model: chat
history: {turns: 20, ttl: 30m}
limits: {per_user_per_minute: 600, turns_in_flight: 5000, max_wait: 5m}
channels:
  - {name: lark, kind: feishu, mode: %s, app_id: %s, app_secret: file:SECRET, card: %v%s}
`, s.mode, appID, s.card, proof))
}

func (s *stage) write(name, content string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name+".new"), []byte(content), 0o600))
	s.must(os.Rename(filepath.Join(s.dir, name+".new"), filepath.Join(s.dir, name)))
}

func (s *stage) secret(name, value string) {
	s.Helper()
	dir := filepath.Join(s.rig.Dir, "secrets", "acme")
	s.must(os.MkdirAll(dir, 0o700))
	s.must(os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600))
}

// serve makes the simulated platform answer until the test ends.
func (s *stage) serve() {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", "127.0.0.1:0")
	s.must(err)
	srv := &http.Server{Handler: s.sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	s.Cleanup(func() { _ = srv.Close() })
	s.origin = "http://" + l.Addr().String()
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// killEach ends each client service as a power cut does and starts it again, one after the other.
func (s *stage) killEach(between time.Duration) {
	s.Helper()
	for i := range s.clients {
		time.Sleep(between) // of people writing
		s.clients[i].Kill()
		time.Sleep(between / 2) // of being away
		again, err := s.clients[i].Restart(s.ctx)
		s.must(err)
		s.clients[i] = again
	}
}

// ask posts a person's n-th question, which must be acknowledged.
func (s *stage) ask(user, group string, n int) {
	s.Helper()
	text := ledger.Question(ledger.ID{Person: user, N: n})
	p, err := s.sim.Push(s.ctx, appID, sim.Message{User: user, Name: user, Group: group, At: group != "", Text: text})
	if err != nil || !p.Acked {
		s.Errorf("%s's question %d: %+v, %v", user, n, p.Tries, err)
	}
}

// answers lists which of a person's questions the chat shows an answer to, in order; whole says that nothing there is still being written.
func (s *stage) answers(user, chat string) (list []int, whole bool) {
	whole = true
	for _, m := range s.sim.Shown(chat) {
		whole = whole && !m.Streaming
		if id, ok := ledger.Answered(m.Text); ok && id.Person == user {
			list = append(list, id.N)
		}
	}
	return list, whole
}

// metric sums a metric over the client services.
func (s *stage) metric(name string, labels ...string) (sum float64) {
	s.Helper()
	for _, c := range s.clients {
		m, err := c.Metrics(s.ctx)
		s.must(err)
		sum += m.Sum(name, labels...)
	}
	return sum
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(within time.Duration, what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.Fatalf("not within %v: %s", within, what)
		}
	}
}
