package edge

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
)

var forged = flag.Int("forged", 20_000, "how many mutated deliveries meet the front within this process")

// counting is an Inbox that takes everything and keeps nothing.
type counting struct{ accepted atomic.Int64 }

// Accept implements channel.Inbox.
func (c *counting) Accept(context.Context, chat.Message) error {
	c.accepted.Add(1)
	return nil
}

// frontOf is the front that a client service has, with both tenants' applications.
func frontOf(t *testing.T, inbox channel.Inbox, now time.Time, companies ...company) *channel.Front {
	t.Helper()
	d := channel.Deps{
		Inbox: inbox, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Now: func() time.Time { return now },
		Origins: channel.Origins{WeCom: "https://qyapi.weixin.qq.com"},
	}
	channels := map[string]channel.Channel{}
	for _, c := range companies {
		for name, a := range map[string]any{"app": int(c.app.AgentID), "app2": int(c.second.AgentID)} {
			s := &channeltest.Settings{TenantName: c.name, Entry: name, Fields: map[string]any{
				"corp_id": c.app.CorpID, "agent_id": a, "secret": c.app.Secret, "token": c.app.Token, "aes_key": c.app.AESKey,
			}}
			made, err := app.New(s, d)
			if err != nil || len(s.Faults) > 0 {
				t.Fatal(err, s.Faults)
			}
			channels[c.name+"/"+name] = made
		}
	}
	return channel.NewFront(func(tenant, name string) (channel.Channel, error) {
		if c := channels[tenant+"/"+name]; c != nil {
			return c, nil
		}
		return nil, chat.E(chat.NotFound, "test.lookup", nil)
	}, d)
}

// handle has the front answer as a server would.
func (x mutant) handle(ctx context.Context, f *channel.Front) (status int) {
	r := httptest.NewRequestWithContext(ctx, x.method, "http://public"+x.path+"?"+x.query.Encode(), bytes.NewReader(x.body))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Code
}

// TestForgedAtTheFront is TestMutatedCallbacks without network and store, for numbers that only a core's work bounds: 10 million with
// -forged 10000000.
func TestForgedAtTheFront(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("again with: -seed %d", *seed)
	acme, beta := newCompany("acme"), newCompany("beta")
	now := time.Now()
	var inbox counting
	front := frontOf(t, &inbox, now, acme, beta)
	const genuineEvery = 1000 // that the front is open at all
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	var refused, genuine atomic.Int64
	began := time.Now()
	for w := range workers {
		wg.Go(func() {
			m := &mutator{rand: rand.New(rand.NewPCG(*seed, uint64(w))), now: now, acme: acme, beta: beta, n: w * *forged}
			for i := 0; i < *forged/workers && !t.Failed(); i++ {
				if i%genuineEvery == 0 {
					x := mutant{method: http.MethodPost, path: "/callback/acme/app"}
					if x.query, x.body = m.seal(acme.app, now); x.handle(t.Context(), front) != http.StatusOK {
						t.Error("a genuine delivery was refused")
					}
					genuine.Add(1)
				}
				if x := m.next(); x.handle(t.Context(), front) == http.StatusOK {
					t.Errorf("%s: %s?%s\n%s", x.kind, x.path, x.query.Encode(), x.body)
				}
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if got := inbox.accepted.Load(); got != genuine.Load() {
		t.Errorf("%d messages were accepted of %d genuine ones", got, genuine.Load())
	}
	took := time.Since(began)
	t.Logf("%d forged deliveries refused in %v: %.0f a second on %d cores; %d genuine ones accepted",
		refused.Load(), took.Round(time.Millisecond), float64(refused.Load())/took.Seconds(), workers, genuine.Load())
}
