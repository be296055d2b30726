package feishu

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

const (
	testApp    = "cli_a1b2c3"
	testSecret = "secret-of-the-application"
	testKey    = "encrypt-key-of-the-application"
	testToken  = "verification-token"
	testBot    = "ou_thebot"
)

func theApp() sim.App {
	return sim.App{AppID: testApp, AppSecret: testSecret, EncryptKey: testKey, VerificationToken: testToken, BotID: testBot}
}

// settings are those of a bot in mode callback, with changes; nil takes a field away.
func settings(changes map[string]any) *channeltest.Settings {
	fields := map[string]any{"app_id": testApp, "app_secret": testSecret, "encrypt_key": testKey, "verification_token": testToken}
	for field, value := range changes {
		if fields[field] = value; value == nil {
			delete(fields, field)
		}
	}
	return &channeltest.Settings{TenantName: "acme", Entry: "lark", Fields: fields}
}

func newBot(t *testing.T, d channel.Deps, changes map[string]any) channel.Channel {
	t.Helper()
	s := settings(changes)
	c, err := New(s, d)
	if err != nil || len(s.Faults)+len(s.Unread()) > 0 {
		t.Fatalf("%v, faults %v, unread %v", err, s.Faults, s.Unread())
	}
	return c
}

// world is a simulated Feishu with one application, and replicas of Parley's front before it.
type world struct {
	sim    *sim.Sim
	app    sim.App
	origin string
	inbox  *channeltest.Inbox
	cache  *channeltest.Cache
}

func newWorld(t *testing.T, opt sim.Options, change func(*sim.App)) *world {
	t.Helper()
	if opt.AckWithin == 0 {
		opt.AckWithin = 2 * time.Second
	}
	if opt.Retries == nil {
		opt.Retries = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond}
	}
	w := &world{sim: sim.New(opt), app: theApp(), inbox: &channeltest.Inbox{}, cache: channeltest.NewCache()}
	platform := httptest.NewServer(w.sim.Handler())
	t.Cleanup(platform.Close)
	w.origin = platform.URL
	if change != nil {
		change(&w.app)
	}
	w.register(t)
	return w
}

func (w *world) register(t *testing.T, callbacks ...string) {
	t.Helper()
	w.app.Callbacks = callbacks
	if err := w.sim.AddApp(w.app); err != nil {
		t.Fatal(err)
	}
}

func (w *world) deps() channel.Deps {
	return channel.Deps{
		HTTP: &http.Client{Timeout: 5 * time.Second}, Origins: channel.Origins{Feishu: w.origin}, Inbox: w.inbox, Tokens: w.cache, Locks: w.cache,
		Lead: w.cache, Limits: w.cache, Memo: w.cache, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// replica is a bot of a process of its own.
func (w *world) replica(t *testing.T, changes map[string]any) channel.Channel {
	t.Helper()
	return newBot(t, w.deps(), changes)
}

// entry starts a front before a replica and returns the address of its callback.
func (w *world) entry(t *testing.T, changes map[string]any) string {
	t.Helper()
	c := w.replica(t, changes)
	front := httptest.NewServer(channel.NewFront(func(tenant, name string) (channel.Channel, error) {
		if tenant == "acme" && name == "lark" {
			return c, nil
		}
		return nil, chat.E(chat.NotFound, "lookup", nil)
	}, w.deps()))
	t.Cleanup(front.Close)
	return front.URL + "/callback/acme/lark"
}

// push posts a message and gives it as it was accepted.
func (w *world) push(t *testing.T, m sim.Message) chat.Message {
	t.Helper()
	before := len(w.inbox.Messages())
	posted, err := w.sim.Push(t.Context(), testApp, m)
	if err != nil {
		t.Fatalf("%v: %+v", err, posted.Tries)
	}
	got := w.inbox.Messages()
	if len(got) != before+1 {
		t.Fatalf("accepted %d messages, want one more than %d", len(got), before)
	}
	return got[len(got)-1]
}

// answer sends a whole reply.
func answer(t *testing.T, c channel.Channel, m chat.Message, text string) error {
	t.Helper()
	parts, err := c.Parts(m, text, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := c.Send(t.Context(), m, p); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) await(t *testing.T, chat string, n int) []sim.Shown {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	shown, err := w.sim.Await(ctx, chat, n)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

func show(t *testing.T, c channel.Channel, m chat.Message, text string) error {
	t.Helper()
	streamer, ok := c.(channel.Streamer)
	if !ok {
		t.Fatalf("%T is no Streamer", c)
	}
	return streamer.Show(t.Context(), m, text)
}
