package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/rpc"
	"parley/internal/sim/llm"
	"parley/test/rig"
)

// The two providers: a turn's first choice, and where the switch and the fallback lead.
const (
	first  = "openai"
	second = "chatglm"
)

// Their keys; both simulators refuse any other.
const (
	firstKey  = "sk-first-key-of-the-rig"
	secondKey = "second-key-of.the-rig"
)

// moved is the tenant whose turns the switch moves.
const moved = "acme"

// stage is two simulated providers, each in a process of its own, and the servers that may call them.
type stage struct {
	*rig.Rig
	nacos     *nacos
	providers map[string]*rig.Model
	asked     atomic.Int64
}

// server is one server process and this program's own client of it: every figure is of one server, so nothing balances.
type server struct {
	*rig.Node
	born   time.Time // when it was ready
	client client
}

// client is what is used of an [rpc.Client].
type client interface {
	Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error)
	Inspect(ctx context.Context, addr string) (rpc.Status, error)
	Close() error
}

func newStage(ctx context.Context, r *rig.Rig, n *nacos) (*stage, error) {
	s := &stage{Rig: r, nacos: n, providers: map[string]*rig.Model{}}
	var err error
	if s.providers[first], err = r.RunModel(ctx, rig.ModelOptions{Name: "provider-" + first, Vendor: llm.OpenAI, Keys: []string{firstKey}}); err != nil {
		return nil, err
	}
	s.providers[second], err = r.RunModel(ctx, rig.ModelOptions{Name: "provider-" + second, Vendor: llm.ChatGLM, Keys: []string{secondKey}})
	return s, err
}

// routes is the document for both providers; limit is the first one's concurrency for a key, 0 is none.
func (s *stage) routes(limit int, models string) string {
	return fmt.Sprintf(`providers:
  %s: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge, concurrency: %d}
  %s: {dialect: chatglm, base_url: %s, key: env:ZHIPU_API_KEY, http2: prior-knowledge}
models:
  chat: %s
`, first, s.providers[first].BaseURL(), limit, second, s.providers[second].BaseURL(), models)
}

const bothModels = "[" + first + "/gpt-4o-mini, " + second + "/glm-4.6]"

// prepare makes a new namespace without a switch, and both providers as new, at a pace.
func (s *stage) prepare(ctx context.Context, pace llm.Pace, routes string) error {
	if err := s.NewNamespace(ctx); err != nil {
		return err
	}
	for _, m := range s.providers {
		if err := errors.Join(m.SetPace(ctx, pace), m.SetRules(ctx), m.Forget(ctx)); err != nil {
			return err
		}
	}
	if err := s.Publish(ctx, "tenant."+moved, "name: "+moved+"\nmodel: chat\n"); err != nil {
		return err
	}
	return s.Publish(ctx, "parley-routes", routes)
}

// start starts servers side by side.
func (s *stage) start(ctx context.Context, names ...string) ([]*server, error) {
	list, errs := make([]*server, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { list[i], errs[i] = s.startOne(ctx, name) })
	}
	wg.Wait()
	return list, errors.Join(errs...)
}

func (s *stage) startOne(ctx context.Context, name string) (*server, error) {
	env := []string{"OPENAI_API_KEY=" + firstKey, "ZHIPU_API_KEY=" + secondKey}
	node, err := s.StartNode(ctx, "server", name, env, func(addr, ops string) string {
		return fmt.Sprintf(`rpc:      {listen: %q}
http:     {ops: %q}
outbound: [%q, %q]
registry: {mode: nacos, nacos: {addrs: [%q], namespace: %q}}
live:     {source: nacos}
`, addr, ops, s.providers[first].Origin, s.providers[second].Origin, s.nacos.addr, s.Nacos.Namespace)
	})
	if err != nil {
		return nil, err
	}
	return dial(node)
}

func dial(node *rig.Node) (*server, error) {
	c, err := rpc.Dial(rpc.ClientOptions{Registry: rpc.Registry{Mode: rpc.ModeDirect, Direct: []string{node.Addr}}})
	return &server{Node: node, born: time.Now(), client: c}, err
}

// restart kills a server and starts it again.
func restart(ctx context.Context, s *server) (*server, error) {
	_ = s.client.Close()
	s.Kill()
	node, err := s.Restart(ctx)
	if err != nil {
		return nil, err
	}
	return dial(node)
}

// dismiss ends servers without waiting for what they might still do.
func dismiss(servers []*server) {
	for _, s := range servers {
		_ = s.client.Close()
		s.Kill()
	}
}

// inForce asks a server since when its switches are in force, and why it refuses newer ones.
func (s *server) inForce(ctx context.Context) (since time.Time, refused string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := s.client.Inspect(ctx, s.Addr)
	if err != nil {
		return since, "", err
	}
	for _, d := range st.Documents {
		if d.Name == document {
			return time.UnixMilli(d.Since), d.Refused, nil
		}
	}
	return since, "", fmt.Errorf("%s does not name %s", s.Name, document)
}

// awaitForce gives for every server when a form that was published after a time came into force there. A server that has none within half a
// minute, twice the time in which a lost push is made good, is not among them.
func awaitForce(ctx context.Context, servers []*server, published time.Time) map[string]time.Time {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	times := map[string]time.Time{}
	for _, x := range servers {
		for {
			since, refused, err := x.inForce(ctx)
			if err == nil && refused == "" && !since.Before(published.Truncate(time.Millisecond)) {
				times[x.Name] = since
				break
			}
			if pause(ctx, 100*time.Millisecond) != nil {
				break
			}
		}
	}
	return times
}

// config is a server's configuration file, by which commands find the same Nacos.
func (s *stage) config(of *server) string { return filepath.Join(s.Dir, of.Name+".yaml") }

// ledgers are both providers' requests.
func (s *stage) ledgers(ctx context.Context) (map[string][]llm.Entry, error) {
	all := map[string][]llm.Entry{}
	for name, m := range s.providers {
		list, err := m.Ledger(ctx)
		if err != nil {
			return nil, fmt.Errorf("the ledger of %s: %w", name, err)
		}
		all[name] = list
	}
	return all, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
