package wecombot

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom/bot"
	"parley/test/ledger"
	"parley/test/rig"
)

// The bots.
const (
	called = "aib-called" // by callbacks
	linked = "aib-linked" // over a connection
)

const (
	token  = "TokenOfTheBot"
	aesKey = "Bbcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	secret = "secret-of-the-bot"
)

// stage is a whole Parley whose tenant has both bots.
type stage struct {
	*testing.T
	ctx     context.Context
	rig     *rig.Rig
	sim     *bot.Sim
	origin  string // http://…
	model   *rig.Model
	server  *rig.Node
	clients []*rig.Node
	dir     string // of documents
	window  string
}

func newStage(ctx context.Context, t *testing.T, pace llm.Pace, o bot.Options) *stage {
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
	s := &stage{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, "live"), window: "6m", sim: bot.New(o)}
	if o.Window > 0 {
		s.window = o.Window.String()
	}
	s.serve()
	s.must(os.MkdirAll(s.dir, 0o755))
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Pace: pace})
	s.must(err)
	s.write("parley-routes.yaml", fmt.Sprintf(
		"providers:\n  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}\nmodels:\n  chat: [openai/gpt-4o-mini]\n", s.model.BaseURL()))
	s.write("tenant.acme.yaml", fmt.Sprintf(`name: acme
state: active
model: chat
mark: false
history: {turns: 20, ttl: 30m}
limits: {per_user_per_minute: 600, turns_in_flight: 5000, max_wait: 5m}
channels:
  - {name: bot, kind: wecombot, mode: callback, token: env:ACME_BOT_TOKEN, aes_key: env:ACME_BOT_AES, window: %[1]s}
  - {name: linked, kind: wecombot, mode: stream, bot_id: %[2]s, secret: env:ACME_BOT_SECRET, window: %[1]s}
`, s.window, linked))
	s.server, err = r.StartNode(ctx, "server", "server", []string{"OPENAI_API_KEY=sk-rig"}, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%q]\nregistry: {mode: direct}\nlive: {source: file, dir: %q}\n", addr, ops, s.model.Origin, s.dir)
	})
	s.must(err)
	s.must(s.sim.AddBot(bot.Bot{ID: linked, Name: "小助手", Secret: secret}))
	var callbacks []string
	for i := range 2 {
		c, err := r.StartNode(ctx, "client", fmt.Sprint("client-", i+1),
			[]string{"ACME_BOT_TOKEN=" + token, "ACME_BOT_AES=" + aesKey, "ACME_BOT_SECRET=" + secret}, s.clientYAML)
		s.must(err)
		s.clients, callbacks = append(s.clients, c), append(callbacks, "http://"+c.Addr+"/callback/acme/bot")
	}
	s.must(s.sim.AddBot(bot.Bot{ID: called, Name: "小助手", Token: token, AESKey: aesKey, Callbacks: callbacks}))
	s.eventually("one replica is connected", func() bool { return s.sim.Connected(linked) })
	return s
}

func (s *stage) clientYAML(addr, ops string) string {
	return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [acme]\nplatforms: {wecom: %q, wecom_bot: %q, wecom_bot_files: [%q]}\n"+
		"registry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\n",
		addr, ops, s.rig.Redis.Addr, s.origin, "ws"+strings.TrimPrefix(s.origin, "http"), s.origin, s.server.Addr, s.dir)
}

func (s *stage) write(name, content string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600))
}

// serve makes the simulated platform answer until the test ends.
func (s *stage) serve() {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", "127.0.0.1:0")
	s.must(err)
	srv := &http.Server{Handler: s.sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	s.Cleanup(func() { s.sim.Close(); _ = srv.Close() })
	s.origin = "http://" + l.Addr().String()
	s.sim.At(s.origin)
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) restart(i int) {
	s.Helper()
	again, err := s.clients[i].Restart(s.ctx)
	s.must(err)
	s.clients[i] = again
}

// holder is the replica that holds the bot's connection.
func (s *stage) holder() int {
	s.Helper()
	for i, c := range s.clients {
		if !c.Alive() {
			continue
		}
		m, err := c.Metrics(s.ctx)
		s.must(err)
		if m.Sum("parley_wecombot_connected") == 1 {
			return i
		}
	}
	s.Fatal("nobody holds the connection")
	return 0
}

// ask posts a person's n-th question, which must be taken, and gives its id.
func (s *stage) ask(to, user string, n int) string {
	s.Helper()
	p, err := s.sim.Say(s.ctx, to, user, ledger.Question(ledger.ID{Person: user, N: n}))
	if err != nil {
		s.Errorf("%s's question %d: %v", user, n, err)
	}
	return p.ID
}

// fate is what a person saw in answer to a question in the end.
type fate struct {
	inStream bool // the stream that answers it ended with the answer
	besides  int  // answers that came as messages of their own
}

// fateOf looks for the answer to a question in its stream, and in all that came besides.
func (s *stage) fateOf(to, user, message string, n int) (f fate) {
	want := ledger.ID{Person: user, N: n}
	if state, _, ok := s.sim.Answer(message); ok && state.Finished && !strings.Contains(state.Text, "单独发给您") { // else only a part of it
		id, ok := ledger.Answered(state.Text)
		f.inStream = ok && id == want
	}
	for _, x := range s.sim.Shown(to, user) {
		if id, ok := ledger.Answered(x.Text); x.Extra && ok && id == want {
			f.besides++
		}
	}
	return f
}

// answered waits until a person sees the answer to a question, and checks that it is once.
func (s *stage) answered(to, user, message string, n int) fate {
	s.Helper()
	var f fate
	s.eventually(fmt.Sprintf("%s sees the answer to question %d", user, n), func() bool {
		f = s.fateOf(to, user, message, n)
		return f.inStream || f.besides > 0
	})
	return f
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(what string, probe func() bool) {
	s.Helper()
	for end := time.Now().Add(90 * time.Second); !probe(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.Fatal("it never happened: ", what)
		}
	}
}

// clean says that the platform had nothing to object to.
func (s *stage) clean() {
	s.Helper()
	if wrong := s.sim.Violations(); len(wrong) > 0 {
		s.Errorf("the platform objects: %q", wrong)
	}
}
