package web

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// What the tenant's document refers to.
const (
	token   = "the-token-of-the-rig"
	apiKey  = "sk-the-key-of-the-rig"
	hookKey = "the-key-of-the-hook"
)

// stage is a whole Parley whose tenant has a web page.
type stage struct {
	*testing.T
	ctx     context.Context
	model   *rig.Model
	clients []*rig.Node
	entry   *rig.Balancer
	live    string // the folder of the documents
}

func newStage(ctx context.Context, t *testing.T, pace llm.Pace, client ...string) *stage {
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
	dir := filepath.Join(r.Dir, "live")
	s := &stage{T: t, ctx: ctx, live: dir}
	s.must(os.MkdirAll(dir, 0o755))
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Pace: pace})
	s.must(err)
	for name, content := range map[string]string{
		"parley-routes.yaml": fmt.Sprintf(
			"providers:\n  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}\nmodels:\n  chat: [openai/gpt-4o-mini]\n", s.model.BaseURL()),
		"tenant.acme.yaml": `name: acme
history: {turns: 20, ttl: 30m}
limits: {per_user_per_minute: 600, turns_in_flight: 5000, max_wait: 5m}
channels:
  - {name: web, kind: web, access: token, tokens: env:ACME_WEB_TOKEN}
`,
	} {
		s.must(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	server, err := r.StartNode(ctx, "server", "server", []string{"OPENAI_API_KEY=sk-rig"}, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%q]\nregistry: {mode: direct}\nlive: {source: file, dir: %q}\n", addr, ops, s.model.Origin, dir)
	})
	s.must(err)
	var addresses []string
	for i := range 2 {
		c, err := r.StartNode(ctx, "client", fmt.Sprint("client-", i+1), []string{"ACME_WEB_TOKEN=" + token, "ACME_API_KEY=" + apiKey, "ACME_HOOK=" + hookKey}, func(addr, ops string) string {
			return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [acme]\nregistry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\n",
				addr, ops, r.Redis.Addr, server.Addr, dir) + strings.Join(client, "")
		})
		s.must(err)
		s.clients, addresses = append(s.clients, c), append(addresses, c.Addr)
	}
	s.entry, err = rig.NewBalancer(addresses...)
	s.must(err)
	t.Cleanup(s.entry.Close)
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// strike kills each replica in turn, as a power cut does, and starts it again.
func (s *stage) strike(between time.Duration) {
	s.Helper()
	for i := range s.clients {
		select {
		case <-time.After(between):
		case <-s.ctx.Done():
			return
		}
		s.clients[i].Kill()
		time.Sleep(between)
		again, err := s.clients[i].Restart(s.ctx)
		if err != nil {
			s.Error(err)
			return
		}
		s.clients[i] = again
	}
}
