package hang

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
)

// TestModelsHang lets providers hang in every way there is. Each turn ends by the limit that is meant for it, with a text or with another
// provider's answer, and no connection stays behind.
func TestModelsHang(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	three := strings.Repeat(delta, 3)
	ways := []struct {
		name     string
		provider *provider // nil: nobody takes the connection
		limit    time.Duration
	}{
		{"connect", nil, connectLimit},
		{"silent", &provider{}, firstLimit},
		{"slow-head", &provider{once: "HTTP/1.1 200 OK\r\nX-Slow: ", again: "x"}, firstLimit},
		{"head", &provider{once: streamHead}, firstLimit},
		{"pings", &provider{once: streamHead, again: ping}, firstLimit},
		{"slow-error", &provider{once: "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100000\r\n\r\n", again: "x"}, firstLimit},
		{"stall", &provider{once: streamHead + three}, idleLimit},
		{"stall-pings", &provider{once: streamHead + three, again: ping}, idleLimit},
		{"half-line", &provider{once: streamHead + three + "data: ", again: "x"}, idleLimit},
		{"empty-pieces", &provider{once: streamHead, again: emptyDelta}, firstLimit},
		{"drip", &provider{once: streamHead, again: delta}, turnLimit},
	}
	s := newStage(ctx, t)
	var providers, models, origins []string
	for _, w := range ways {
		origin := "http://" + fullBacklog(t)
		if w.provider != nil {
			w.provider.start(t)
			origin = w.provider.origin
		}
		origins = append(origins, origin)
		for _, p := range []string{w.name, w.name + ".too"} { // two, so that they have breakers of their own
			providers = append(providers, fmt.Sprintf("%s: {dialect: openai, base_url: %s/v1, key: env:OPENAI_API_KEY}", p, origin))
		}
		models = append(models, fmt.Sprintf("alone-%s: [%s/m]", w.name, w.name), fmt.Sprintf("backed-%s: [%s.too/m, well/gpt-4o-mini]", w.name, w.name))
	}
	s.routes(providers, models)
	server := s.server("server", origins...)
	client := s.client("client", s.rig.Redis.Addr)

	var wg sync.WaitGroup // not parallel subtests, of which few run at once
	for _, w := range ways {
		for _, kind := range []string{"alone", "backed"} {
			wg.Go(func() {
				user := kind + "-" + w.name
				if _, err := s.ask(user, "/model "+user, 1); err != nil {
					t.Error(err)
					return
				}
				got, err := s.ask(user, question(user), 2)
				if err != nil {
					t.Error(err)
					return
				}
				t.Logf("%-20s limit %v, told after %v: %s", user, w.limit, got.took.Round(10*time.Millisecond), got.Content)
				if got.took < w.limit-100*time.Millisecond || got.took > w.limit+slack {
					t.Errorf("%s: told after %v, the limit is %v", user, got.took, w.limit)
				}
				// When the whole turn's time is over, nobody is left to ask.
				if want := kind == "backed" && w.limit < turnLimit; want && !answers(got, user) || !want && !isFailure(got.Content) {
					t.Errorf("%s: told %q", user, got.Content)
				}
			})
		}
	}
	wg.Wait()
	for i, w := range ways {
		if w.provider == nil {
			continue
		}
		s.eventually(10*time.Second, "connections to "+ways[i].name, func() string {
			if open, calls := w.provider.state(); open > 0 || calls != 2 {
				return fmt.Sprintf("%d open; %d calls, want 2", open, calls)
			}
			return ""
		})
	}
	s.leaves(client, 30*time.Second)
	s.leaves(server, 30*time.Second)
}

// TestOneConnectionOfManyStreams: over HTTP/2 a hung answer must end alone.
func TestOneConnectionOfManyStreams(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.routes(nil, nil)
	server := s.server("server")
	client := s.client("client", s.rig.Redis.Addr)
	s.must(s.model.SetRules(ctx, llm.Rule{Contains: "hang", Fault: llm.Fault{Kind: llm.FaultHang}}, llm.Rule{Contains: "stall", Fault: llm.Fault{Kind: llm.FaultStall, After: 2}}))
	for way, limit := range map[string]time.Duration{"hang": firstLimit, "stall": idleLimit} {
		t.Run(way, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for user, got := range s.crowd(people(way, 30)) {
					if !isFailure(got.Content) || got.took < limit-100*time.Millisecond || got.took > limit+slack {
						t.Errorf("%s was told %q after %v, the limit is %v", user, got.Content, got.took, limit)
					}
				}
			}()
			for i := 0; ; i++ { // others are answered meanwhile
				select {
				case <-done:
				default:
					user := fmt.Sprintf("well-%s-%d", strings.ToUpper(way), i)
					if got, err := s.ask(user, question(user), 1); err != nil || !answers(got, user) {
						t.Errorf("%s was told %q, %v", user, got.Content, err)
					}
					continue
				}
				break
			}
		})
	}
	s.eventually(10*time.Second, "streams at the model", func() string {
		if stats, err := s.model.Stats(ctx); err != nil || stats.Running > 0 {
			return fmt.Sprintf("%+v, %v", stats, err)
		}
		return ""
	})
	s.leaves(client, 30*time.Second)
	s.leaves(server, 30*time.Second)
}

func people(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", prefix, i))
	}
	return names
}
