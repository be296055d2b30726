package conversation_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func cost(provider string, in, out int) chat.Spend {
	return chat.Spend{Provider: provider, Model: "m", Usage: chat.Usage{Input: in, Output: out}}
}

// spent is what acme's people spent today, by "provider", "provider (own)" and "provider (estimated)".
func (w *world) spent() map[string]conversation.Tokens {
	w.t.Helper()
	u, err := w.store.Usage(context.Background(), "acme", conversation.DayOf(time.Now()))
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]conversation.Tokens{}
	for _, i := range u.Items {
		name := i.Provider
		if i.Own {
			name += " (own)"
		}
		if i.Estimated {
			name += " (estimated)"
		}
		out[name] = i.Tokens
	}
	var byItem, byUser conversation.Tokens
	for _, t := range out {
		byItem = byItem.Plus(t)
	}
	for _, user := range u.Users {
		byUser = byUser.Plus(user.Reported).Plus(user.Estimated)
		if user.User == "zhang" || len(user.User) != 20 {
			w.t.Errorf("usage names a person: %q", user.User)
		}
	}
	if byItem != byUser {
		w.t.Errorf("by provider %+v, by person %+v", byItem, byUser)
	}
	return out
}

func (w *world) spends(want map[string]conversation.Tokens) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.spent()); diff != "" {
		w.t.Errorf("usage (-want +got):\n%s", diff)
	}
}

// counter sums up a metric's samples that have these labels.
func counter(t *testing.T, reg prometheus.Gatherer, name string, labels map[string]string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	samples:
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if want, ok := labels[l.GetName()]; ok && want != l.GetValue() {
					continue samples
				}
			}
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}

func TestUsageIsWhatTheProvidersReported(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Keys = map[string][]chat.Secret{"sim": {chat.NewSecret("k")}}
		estimate := cost("ernie", 9, 1)
		estimate.Usage.Estimated = true
		own := cost("openai", 50, 7)
		own.Own = true
		w.llm.usage = chat.Usage{Input: 11, Cached: 4, Output: 3, Reasoning: 1}
		w.llm.cost = func(call int) []chat.Spend {
			switch call {
			case 1: // a failed call, a fallback, and one of which the provider said nothing
				return []chat.Spend{cost("openai", 100, 0), own, estimate}
			case 3: // that failed altogether, but not for nothing
				return []chat.Spend{cost("openai", 30, 2)}
			}
			return nil // an older server
		}
		w.llm.fail = func(call int) error {
			if call == 3 {
				return chat.E(chat.Unavailable, "x", nil)
			}
			return nil
		}
		reg := prometheus.NewRegistry()
		p := w.start(func(o *conversation.Options) { o.Metrics = reg })
		for i, q := range []string{"one", "two", "three", "/help"} {
			w.say(p, fmt.Sprint(i), q)
		}
		settle(10 * time.Second)
		w.spends(map[string]conversation.Tokens{
			"openai": {Calls: 2, Input: 130, Output: 2}, "openai (own)": {Calls: 1, Input: 50, Output: 7}, "ernie (estimated)": {Calls: 1, Input: 9, Output: 1},
			"sim (own)": {Calls: 1, Input: 11, Cached: 4, Output: 3, Reasoning: 1},
		})
		for labels, want := range map[[2]string]float64{
			{"input", "provider"}: 191, {"output", "provider"}: 12, {"input", "estimate"}: 9, {"output", "estimate"}: 1,
		} {
			if got := counter(t, reg, "parley_tokens_total", map[string]string{"direction": labels[0], "source": labels[1]}); got != want {
				t.Errorf("%v: %v tokens, want %v", labels, got, want)
			}
		}
	})
}

// What was cut off was begun, and cost something: it is estimated, and kept apart.
func TestWhatWasCutOffIsEstimated(t *testing.T) {
	question := "abcdefgh"    // 2 tokens, and 3 for the message; "be brief" as much
	chunk := "你好，世界abcdefgh。" // 6 and 8 characters
	want := conversation.Tokens{Calls: 1, Input: 10, Output: 7}
	for name, cut := range map[string]func(*testing.T, *world, *process){
		"by the person": func(_ *testing.T, w *world, p *process) { w.say(p, "2", "/stop") },
		"by the tenant": func(_ *testing.T, _ *world, p *process) { p.Suspend("acme") },
		"by its time":   func(*testing.T, *world, *process) { settle(3 * time.Minute) },
		"by a shutdown": func(_ *testing.T, w *world, p *process) {
			p.stop()
			w.spends(map[string]conversation.Tokens{"sim (estimated)": want})
			w.llm.delay = 0
			w.start()
			settle(10 * time.Second)
			shown(w.t, w, "re: abcdefgh (0)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.llm.delay, w.llm.chunk, w.out.live = time.Hour, chunk, time.Second
				p := w.start()
				w.say(p, "1", question)
				settle(2 * time.Second)
				cut(t, w, p)
				settle(10 * time.Second)
				w.spends(map[string]conversation.Tokens{"sim (estimated)": want})
			})
		})
	}
	t.Run("with its server", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.llm.chunk, w.out.live = chunk, time.Second
			w.llm.usage = chat.Usage{Input: 8, Output: 9}
			w.llm.fail = func(call int) error {
				return map[int]error{1: dead, 2: full, 3: keysBusy, 4: chat.E(chat.Unavailable, "the provider's own", nil)}[call]
			}
			p := w.start()
			w.say(p, "1", question)
			settle(20 * time.Second)
			w.say(p, "2", "two")
			settle(20 * time.Second)
			w.spends(map[string]conversation.Tokens{"sim (estimated)": want, "sim": {Calls: 1, Input: 8, Output: 9}})
		})
	})
}

// A turn that is computed twice has cost twice; one whose commit is repeated has not.
func TestEveryComputingIsCountedOnce(t *testing.T) {
	t.Run("a fenced owner", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.llm.usage = chat.Usage{Input: 10, Output: 1}
			a := w.start()
			a.store.kill("commit", false)
			w.say(a, "1", "one")
			settle(2 * time.Second)
			w.start()
			settle(20 * time.Second)
			w.spends(map[string]conversation.Tokens{"sim": {Calls: 1, Input: 10, Output: 1}})
			a.store.revive()
			settle(20 * time.Second)
			w.spends(map[string]conversation.Tokens{"sim": {Calls: 2, Input: 20, Output: 2}})
			shown(t, w, "re: one (0)")
		})
	})
	t.Run("a commit whose answer was lost, by an owner that is fenced then", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.llm.usage = chat.Usage{Input: 10, Output: 1}
			a := w.start()
			a.store.kill("commit", true)
			w.say(a, "1", "one")
			settle(2 * time.Second)
			w.start()
			settle(20 * time.Second)
			a.store.revive()
			settle(20 * time.Second)
			w.spends(map[string]conversation.Tokens{"sim": {Calls: 1, Input: 10, Output: 1}})
		})
	})
	t.Run("while the store fails now and then", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.llm.usage = chat.Usage{Input: 10, Output: 1}
			w.tenant.Limits.TokensPerDay = 1_000_000
			var n atomic.Int64
			p := w.start(func(o *conversation.Options) { o.Store = flaky{o.Store, &n} })
			for i := range 30 {
				w.say(p, fmt.Sprint(i), "q")
			}
			settle(3 * time.Minute)
			w.spends(map[string]conversation.Tokens{"sim": {Calls: 30, Input: 300, Output: 30}})
			b, err := w.store.Budget(context.Background(), "acme", "", conversation.DayOf(time.Now()))
			if err != nil || b.Spent != 330 {
				t.Errorf("budget %+v, %v, want 330 tokens spent", b, err)
			}
		})
	})
}

// flaky loses two of three answers, and now and then a call.
type flaky struct {
	conversation.Store
	n *atomic.Int64
}

func lose[T any](f flaky, do func() (T, error)) (T, error) {
	var none T
	n := f.n.Add(1)
	if n%5 == 0 {
		return none, chat.E(chat.Unavailable, "test", nil)
	}
	v, err := do()
	if n%3 != 0 && err == nil {
		return none, &chat.Error{Kind: chat.Timeout, Op: "test", Maybe: true}
	}
	return v, err
}

func (f flaky) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	return lose(f, func() (conversation.Next, error) { return f.Store.Commit(ctx, c, o) })
}

func (f flaky) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	return lose(f, func() (conversation.Granted, error) { return f.Store.Reserve(ctx, r) })
}

func (f flaky) Settle(ctx context.Context, r conversation.Reservation, tokens int) error {
	_, err := lose(f, func() (struct{}, error) { return struct{}{}, f.Store.Settle(ctx, r, tokens) })
	return err
}
