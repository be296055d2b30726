package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

const (
	testSecret = "s3cr3t-of-the-application"
	testToken  = "QDG6eK"
	testAESKey = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
)

var ref = sim.Ref{CorpID: "wx5823bf96d3bd56c7", AgentID: 1000002}

// world is a simulated WeCom with one application, and replicas of Parley's front behind it.
type world struct {
	sim    *sim.Sim
	origin string
	inbox  *channeltest.Inbox
	cache  *channeltest.Cache
}

func newWorld(t *testing.T, opt sim.Options) *world {
	t.Helper()
	if opt.AckWithin == 0 {
		opt.AckWithin, opt.Pause = 20*time.Second, 100*time.Millisecond
	}
	w := &world{sim: sim.New(opt), inbox: &channeltest.Inbox{}, cache: channeltest.NewCache()}
	platform := httptest.NewServer(w.sim.Handler())
	t.Cleanup(platform.Close)
	w.origin = platform.URL
	w.register(t)
	return w
}

func (w *world) register(t *testing.T, callbacks ...string) {
	t.Helper()
	if err := w.sim.AddApp(sim.App{Ref: ref, Secret: testSecret, Token: testToken, AESKey: testAESKey, Callbacks: callbacks}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) deps() channel.Deps {
	return channel.Deps{
		HTTP: &http.Client{Timeout: 5 * time.Second}, Origins: channel.Origins{WeCom: w.origin}, Inbox: w.inbox,
		Tokens: w.cache, Locks: w.cache, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func settings() *channeltest.Settings {
	return &channeltest.Settings{TenantName: "acme", Entry: "app", Fields: map[string]any{
		"corp_id": ref.CorpID, "agent_id": int(ref.AgentID), "secret": testSecret, "token": testToken, "aes_key": testAESKey,
	}}
}

func (w *world) app(t *testing.T) *app.App {
	t.Helper()
	s := settings()
	a, err := app.New(s, w.deps())
	if err != nil || len(s.Faults) > 0 {
		t.Fatal(err, s.Faults)
	}
	return a
}

// replica starts a front and returns the address of its callback.
func (w *world) replica(t *testing.T) string {
	t.Helper()
	a := w.app(t)
	front := httptest.NewServer(channel.NewFront(func(tenant, name string) (channel.Channel, error) {
		if tenant == "acme" && name == "app" {
			return a, nil
		}
		return nil, chat.E(chat.NotFound, "lookup", nil)
	}, w.deps()))
	t.Cleanup(front.Close)
	return front.URL + "/callback/acme/app"
}

func send(t *testing.T, a *app.App, user, text string, unique int64) error {
	t.Helper()
	m := chat.Message{User: user}
	parts, err := a.Parts(m, text, unique)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := a.Send(t.Context(), m, p); err != nil {
			return err
		}
	}
	return nil
}

func TestThereAndBack(t *testing.T) {
	w := newWorld(t, sim.Options{})
	w.register(t, w.replica(t), w.replica(t))
	if err := w.sim.Verify(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	posted, err := w.sim.Say(t.Context(), ref, "zhang", "你好 ]]> <b>\x0b")
	if err != nil {
		t.Fatal(err)
	}
	if posted.Tries[0].Body != "" {
		t.Errorf("the answer's body is %q; anything would be shown to the person", posted.Tries[0].Body)
	}
	got := w.inbox.Messages()
	if len(got) != 1 || got[0].Text != "你好 ]]> <b>\uFFFD" || got[0].ID != posted.ID {
		t.Fatalf("accepted %+v", got)
	}
	if err := send(t, w.app(t), got[0].User, "您好", 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	shown, err := w.sim.Await(ctx, ref, "zhang", 1)
	if err != nil || shown[0].Content != "您好" {
		t.Fatal(shown, err)
	}
}

// always is a token cache that holds a token at any time.
type always struct{}

func (always) Token(context.Context, string) (chat.Secret, error) {
	return chat.NewSecret("the-access-token"), nil
}
func (always) SetToken(context.Context, string, chat.Secret, time.Duration) error { return nil }
func (always) DropToken(context.Context, string, chat.Secret) error               { return nil }
