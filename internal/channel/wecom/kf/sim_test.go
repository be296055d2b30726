package kf_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom/kf"
	"parley/internal/chat"
	"parley/internal/sim/wecom"
	sim "parley/internal/sim/wecom/kf"
)

const (
	testSecret = "s3cr3t-of-the-service"
	testToken  = "QDG6eK"
	testAESKey = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	account    = "wkAccount-1"
	other      = "wkAccount_2"
)

var ref = wecom.Ref{CorpID: "wx5823bf96d3bd56c7", AgentID: 1000009}

// world is a simulated WeCom with two accounts of customer service, and what replicas of one Parley share.
type world struct {
	*sim.Sim
	platform *wecom.Sim
	origin   string
	inbox    *channeltest.Inbox
	cache    *channeltest.Cache
	logged   *safeBuffer
	metrics  *prometheus.Registry
	now      func() time.Time
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newWorld(t *testing.T, opt sim.Options) *world {
	t.Helper()
	platform := wecom.New(wecom.Options{AckWithin: 20 * time.Second, Pause: 100 * time.Millisecond, Now: opt.Now})
	w := &world{
		Sim: sim.New(platform, opt), platform: platform, inbox: &channeltest.Inbox{}, cache: channeltest.NewCache(), logged: &safeBuffer{}, now: opt.Now,
		metrics: prometheus.NewRegistry(),
	}
	if w.now == nil {
		w.now = time.Now
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	w.origin = server.URL
	w.callbacks(t)
	for _, id := range []string{account, other} {
		w.AddAccount(sim.Account{Ref: ref, OpenKFID: id, Name: "客服"})
	}
	return w
}

func theApp() wecom.App {
	return wecom.App{Ref: ref, Secret: testSecret, Token: testToken, AESKey: testAESKey}
}

// callbacks makes addresses those of the application's callback.
func (w *world) callbacks(t *testing.T, addresses ...string) {
	t.Helper()
	app := theApp()
	app.Callbacks = addresses
	if err := w.platform.AddApp(app); err != nil {
		t.Fatal(err)
	}
}

func settings() *channeltest.Settings {
	return &channeltest.Settings{TenantName: "acme", Entry: "kf", Fields: map[string]any{
		"corp_id": ref.CorpID, "secret": testSecret, "token": testToken, "aes_key": testAESKey,
	}}
}

func (w *world) deps() channel.Deps {
	return channel.Deps{
		HTTP: &http.Client{Timeout: 5 * time.Second}, Origins: channel.Origins{WeCom: w.origin}, Inbox: w.inbox,
		Tokens: w.cache, Locks: w.cache, Lead: w.cache, Memo: w.cache, Limits: w.cache,
		Log: slog.New(slog.NewTextHandler(w.logged, nil)), Now: w.now, Metrics: w.metrics,
	}
}

// count reads a metric of the channel; result is its label of that name, or empty.
func (w *world) count(t *testing.T, name, result string) (sum float64) {
	t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && (result == "" && l.GetName() == "channel" || l.GetName() == "result" && l.GetValue() == result) {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

func (w *world) channel(t *testing.T) *kf.KF {
	t.Helper()
	s := settings()
	k, err := kf.New(s, w.deps())
	if err != nil || len(s.Faults) > 0 || len(s.Unread()) > 0 {
		t.Fatal(err, s.Faults, s.Unread())
	}
	return k
}

// replica is one of Parley's processes: its callback listens, and it fetches messages until the test or it ends.
func (w *world) replica(t *testing.T) (address string, kill func()) {
	t.Helper()
	k, d := w.channel(t), w.deps()
	d.Metrics = nil // the front's own may be registered once only
	front := httptest.NewServer(channel.NewFront(func(tenant, name string) (channel.Channel, error) {
		if tenant == "acme" && name == "kf" {
			return k, nil
		}
		return nil, chat.E(chat.NotFound, "lookup", nil)
	}, d))
	stop := run(t, k)
	kill = sync.OnceFunc(func() {
		front.Close()
		stop()
	})
	t.Cleanup(kill)
	return front.URL + "/callback/acme/kf", kill
}

// run fetches messages until stop.
func run(t *testing.T, k *kf.KF) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// eventually waits until n messages were accepted and returns them.
func (w *world) eventually(t *testing.T, n int) []chat.Message {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := w.inbox.Messages()
		if len(got) >= n {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("accepted %d of %d messages: %+v\n%s", len(got), n, got, w.logged)
		}
	}
}

func texts(messages []chat.Message) (list []string) {
	for _, m := range messages {
		list = append(list, m.Text)
	}
	return list
}

// delivery is a callback of an account.
func (w *world) delivery(t *testing.T, app wecom.App, at time.Time) channel.Delivery {
	t.Helper()
	query, body, err := wecom.SealDocument(app, w.Bell(sim.Account{Ref: app.Ref, OpenKFID: account}), at)
	if err != nil {
		t.Fatal(err)
	}
	return channel.Delivery{Query: query, Header: http.Header{}, Body: body, Now: at}
}

func say(t *testing.T, w *world, user, text string) {
	t.Helper()
	if _, err := w.Say(t.Context(), account, user, text); err != nil {
		t.Fatal(err)
	}
}
