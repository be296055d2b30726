package conversation_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
	"parley/internal/telemetry"
)

// till is a store that takes its time to be told what was spent.
type till struct {
	conversation.Store
	takes time.Duration
	fails bool
	told  atomic.Int32
}

func (t *till) Spend(ctx context.Context, c conversation.Claim, user string, spent []chat.Spend) error {
	t.told.Add(1)
	time.Sleep(t.takes)
	if t.fails {
		return errors.New("no room")
	}
	return t.Store.Spend(ctx, c, user, spent)
}

// What requests spend comes together, and the store is told of all of it at once. Nobody waits for that.
func TestDirectTellsOfManyAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.usage = chat.Usage{Input: 3, Output: 2}
		s := &till{Store: w.store, takes: time.Second}
		p := w.start(func(o *conversation.Options) { o.Store = s })
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, _, err := p.ask(t.Context(), want("q")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != w.llm.delay {
			t.Errorf("they took %v", took)
		}
		p.Settle()
		w.spends(map[string]conversation.Tokens{"sim": {Calls: 20, Input: 60, Output: 40}})
		if n := s.told.Load(); n != 1 {
			t.Errorf("told %d times", n)
		}
		// A call that ends after a shutdown has begun to settle tells of itself.
		if _, _, err := p.ask(t.Context(), want("q")); err != nil {
			t.Error(err)
		}
		w.spends(map[string]conversation.Tokens{"sim": {Calls: 21, Input: 63, Output: 42}})
	})
}

// What could not be told is counted as such, of every request; to settle does not last for ever.
func TestDirectCannotTell(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.usage = chat.Usage{Input: 3, Output: 2}
		reg := prometheus.NewRegistry()
		p := w.start(func(o *conversation.Options) {
			o.Store, o.Metrics = &till{Store: w.store, fails: true, takes: time.Second}, reg
		})
		began := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, text, err := p.ask(t.Context(), want("q")); err != nil || text == "" {
					t.Errorf("%q, %v", text, err)
				}
			})
		}
		wg.Wait()
		p.Settle()
		if n := counter(t, reg, "parley_tokens_unaccounted_total", nil); n != 25 {
			t.Errorf("%v tokens counted as untold", n)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// company is a directory of one tenant, and a server that answers at once.
type company struct{ t chat.Tenant }

func (c *company) Tenant(string) (*chat.Tenant, bool)                { return &c.t, true }
func (c *company) Tenants() []string                                 { return []string{c.t.Name} }
func (c *company) Models(string) []string                            { return []string{"deep"} }
func (c *company) Outlet(string, string) (conversation.Outlet, bool) { return nil, false }
func (c *company) Complete(_ context.Context, _ chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	start := chat.Start{Provider: "openai", Model: "gpt-4o"}
	emit(chat.Event{Kind: chat.Started, Start: start})
	emit(chat.Event{Kind: chat.Spent, Spend: chat.Spend{Provider: "openai", Model: "gpt-4o", Usage: chat.Usage{Input: 9, Output: 9}}})
	return chat.Reply{Start: start, Text: "answer", FinishReason: "stop"}, nil
}

func BenchmarkDirect(b *testing.B) {
	c := &company{chat.Tenant{Name: "acme"}}
	s := conversation.New(conversation.Options{
		Store: memstore.New(time.Now), Complete: c, Directory: c, Owner: "o", Log: telemetry.Discard().Log, Metrics: prometheus.NewRegistry(),
	})
	req := want("q")
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Direct(context.Background(), req, func(chat.Event) {}); err != nil {
				b.Error(err)
			}
		}
	})
}
