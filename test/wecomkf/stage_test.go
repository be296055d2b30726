package wecomkf

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/internal/sim/wecom/kf"
	"parley/test/ledger"
	"parley/test/rig"
)

const account = "wkOfTheRig-1"

// stage is a whole Parley whose tenant has a self-built application (app) and customer service (kf). Its callback secrets are files.
type stage struct {
	*testing.T
	ctx      context.Context
	rig      *rig.Rig
	platform *wecom.Sim
	kf       *kf.Sim
	origin   string
	app      wecom.App
	service  wecom.App // whose callbacks hear of the customers
	model    *rig.Model
	server   *rig.Node
	clients  []*rig.Node
	entry    *rig.Balancer
	dir      string // of documents
}

func newStage(ctx context.Context, t *testing.T, pace llm.Pace) *stage {
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
	s := &stage{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, "live")}
	s.platform = wecom.New(wecom.Options{AckWithin: 2 * time.Second, PerMinute: -1, PerHour: -1})
	s.kf = kf.New(s.platform, kf.Options{Page: 3, EmptyPages: true})
	s.app = wecom.App{Ref: wecom.Ref{CorpID: "wwrig0000000000001", AgentID: 1000002}, Secret: "secret-of-the-app", Token: "TokenOfTheApp", AESKey: key("A")}
	s.service = wecom.App{Ref: wecom.Ref{CorpID: s.app.CorpID, AgentID: 1000009}, Secret: "secret-of-the-service", Token: "TokenOfTheService", AESKey: key("S")}
	s.serve()
	s.must(os.MkdirAll(s.dir, 0o755))
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Pace: pace})
	s.must(err)
	s.write("parley-routes.yaml", fmt.Sprintf(
		"providers:\n  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}\nmodels:\n  chat: [openai/gpt-4o-mini]\n", s.model.BaseURL()))
	s.secret("APP_TOKEN", s.app.Token)
	s.secret("APP_AES", s.app.AESKey)
	s.secret("KF_TOKEN", s.service.Token)
	s.secret("KF_AES", s.service.AESKey)
	s.document("file:APP_TOKEN", "file:APP_AES", "file:KF_TOKEN", "file:KF_AES")
	s.server, err = r.StartNode(ctx, "server", "server", []string{"OPENAI_API_KEY=sk-rig"}, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%q]\nregistry: {mode: direct}\nlive: {source: file, dir: %q}\n", addr, ops, s.model.Origin, s.dir)
	})
	s.must(err)
	var addresses []string
	for i := range 2 {
		c, err := r.StartNode(ctx, "client", fmt.Sprint("client-", i+1), s.env(), s.clientYAML)
		s.must(err)
		s.clients, addresses = append(s.clients, c), append(addresses, c.Addr)
	}
	s.entry, err = rig.NewBalancer(addresses...)
	s.must(err)
	t.Cleanup(s.entry.Close)
	s.register()
	s.kf.AddAccount(kf.Account{Ref: s.service.Ref, OpenKFID: account, Name: "售后客服"})
	return s
}

// key is an EncodingAESKey that begins with a letter.
func key(letter string) string { return letter + "bcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" }

// register tells the platform where the callbacks are, and with which secrets they are sealed.
func (s *stage) register() {
	s.Helper()
	s.app.Callbacks = []string{"http://" + s.entry.Addr + "/callback/acme/app"}
	s.service.Callbacks = []string{"http://" + s.entry.Addr + "/callback/acme/kf"}
	s.must(s.platform.AddApp(s.app))
	s.must(s.platform.AddApp(s.service))
}

func (s *stage) env() []string {
	return []string{"ACME_APP_SECRET=" + s.app.Secret, "ACME_KF_SECRET=" + s.service.Secret}
}

func (s *stage) clientYAML(addr, ops string) string {
	return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [acme]\nplatforms: {wecom: %q}\n"+
		"registry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\nsecrets: {dir: %q}\n",
		addr, ops, s.rig.Redis.Addr, s.origin, s.server.Addr, s.dir, filepath.Join(s.rig.Dir, "secrets"))
}

// document writes the tenant's; its callback secrets are references, one or a YAML list.
func (s *stage) document(appToken, appAES, kfToken, kfAES string) {
	s.Helper()
	s.write("tenant.acme.yaml", fmt.Sprintf(`name: acme
state: active
model: chat
history: {turns: 20, ttl: 30m}
limits: {per_user_per_minute: 600, turns_in_flight: 5000, max_wait: 5m}
channels:
  - {name: app, kind: wecom, corp_id: %[1]s, agent_id: %[2]d, secret: env:ACME_APP_SECRET, token: %[3]s, aes_key: %[4]s}
  - {name: kf, kind: wecomkf, corp_id: %[1]s, secret: env:ACME_KF_SECRET, token: %[5]s, aes_key: %[6]s}
`, s.app.CorpID, s.app.AgentID, appToken, appAES, kfToken, kfAES))
}

func (s *stage) write(name, content string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600))
}

// secret writes a secret's file, as a whole: nobody reads half of it.
func (s *stage) secret(name, value string) {
	s.Helper()
	dir := filepath.Join(s.rig.Dir, "secrets", "acme")
	s.must(os.MkdirAll(dir, 0o700))
	s.must(os.WriteFile(filepath.Join(dir, name+".new"), []byte(value+"\n"), 0o600))
	s.must(os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)))
}

// serve makes the simulated platform answer until the test ends.
func (s *stage) serve() {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", "127.0.0.1:0")
	s.must(err)
	srv := &http.Server{Handler: s.kf.Handler(), ReadHeaderTimeout: 10 * time.Second}
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

// kill ends a client service as a power cut does.
func (s *stage) kill(i int) {
	s.Helper()
	s.clients[i].Kill()
}

func (s *stage) restart(i int) {
	s.Helper()
	again, err := s.clients[i].Restart(s.ctx)
	s.must(err)
	s.clients[i] = again
}

// ask posts a customer's n-th question, whose callback must be acknowledged.
func (s *stage) ask(user string, n int) {
	s.Helper()
	if _, err := s.kf.Say(s.ctx, account, user, ledger.Question(ledger.ID{Person: user, N: n})); err != nil {
		s.Errorf("%s's question %d: %v", user, n, err)
	}
}

// await waits until a customer was shown n messages.
func (s *stage) await(user string, n int) []kf.Sent {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 90*time.Second)
	defer cancel()
	shown, err := s.kf.Await(ctx, account, user, n)
	if err != nil {
		s.Errorf("%v; refused %v", err, s.kf.Stats().Refused)
	}
	return shown
}

// inOrder checks that a customer was shown exactly the answers to these questions, in their order.
func (s *stage) inOrder(user string, questions ...int) {
	s.Helper()
	var got []int
	for _, m := range s.await(user, len(questions)) {
		if id, ok := ledger.Answered(m.Content); ok && id.Person == user {
			got = append(got, id.N)
		}
	}
	if !slices.Equal(got, questions) {
		s.Errorf("%s was shown the answers to %v, want %v", user, got, questions)
	}
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(what string, probe func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !probe(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.Fatal("it never happened: ", what)
		}
	}
}
