package wecom_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silenceper/wechat/v2/work/message"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

const (
	sendPath = "/cgi-bin/message/send"
	body     = `{"touser":"zhang","msgtype":"text","agentid":1000002,"text":{"content":"好"}}`
)

var ref = sim.Ref{CorpID: "wx5823bf96d3bd56c7", AgentID: 1000002}

// platform is a simulated WeCom and what replicas of one Parley share.
type platform struct {
	*sim.Sim
	origin string
	cache  *channeltest.Cache
	locks  channel.Locker
	now    func() time.Time
}

func newPlatform(t *testing.T, opt sim.Options) *platform {
	t.Helper()
	opt.PerMinute = -1
	p := &platform{Sim: sim.New(opt), cache: channeltest.NewCache(), now: time.Now}
	p.locks = p.cache
	server := httptest.NewServer(p.Handler())
	t.Cleanup(server.Close)
	p.origin = server.URL
	app := sim.App{Ref: ref, Secret: "right", Token: "t", AESKey: strings.Repeat("a", 43)}
	if err := p.AddApp(app); err != nil {
		t.Fatal(err)
	}
	return p
}

// client is one replica's.
func (p *platform) client(secret string) *wecom.Client {
	return wecom.NewClient(wecom.Account{Tenant: "acme", CorpID: ref.CorpID, Agent: "1000002", Secret: chat.NewSecret(secret)}, channel.Deps{
		HTTP: &http.Client{Timeout: 10 * time.Second}, Origins: channel.Origins{WeCom: p.origin},
		Tokens: p.cache, Locks: p.locks, Log: slog.New(slog.DiscardHandler), Now: p.now,
	})
}

func (p *platform) fetched() int { return p.Stats().Calls["gettoken"] }

func post(ctx context.Context, c *wecom.Client) error {
	var answer message.SendResponse
	return c.Post(ctx, sendPath, []byte(body), &answer)
}

// stampede posts with all clients at once, several times each.
func stampede(t *testing.T, clients []*wecom.Client) {
	t.Helper()
	var wg sync.WaitGroup
	for _, c := range clients {
		for range 5 {
			wg.Go(func() {
				if err := post(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

func TestOneTokenForAllReplicas(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	p.Inject(sim.Fault{API: "gettoken", Delay: 200 * time.Millisecond, Times: -1}) // wide open to a race
	clients := make([]*wecom.Client, 20)
	for i := range clients {
		clients[i] = p.client("right")
	}
	stampede(t, clients)
	if n := p.fetched(); n != 1 {
		t.Errorf("20 replicas called gettoken %d times, want once", n)
	}
	if err := p.Revoke(ref); err != nil {
		t.Fatal(err)
	}
	stampede(t, clients)
	if n := p.fetched(); n != 2 {
		t.Errorf("after a revocation: gettoken called %d times in all, want twice", n)
	}
	if shown := len(p.Shown(ref, "zhang")); shown != 200 {
		t.Errorf("%d messages shown, want 200", shown)
	}
}

func TestRefusedTokens(t *testing.T) {
	for _, code := range []int64{40014, 42001, 41001} {
		p := newPlatform(t, sim.Options{})
		c := p.client("right")
		if err := post(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		p.Inject(sim.Fault{API: "message/send", Code: code, Message: "no"})
		if err := p.Revoke(ref); err != nil {
			t.Fatal(err)
		}
		if err := post(t.Context(), c); err != nil {
			t.Errorf("%d: %v", code, err)
		}
		if calls := p.Stats().Calls; calls["gettoken"] != 2 || calls["message/send"] != 3 {
			t.Errorf("%d: calls %v; want one refresh and one repetition", code, calls)
		}
	}
}

// TestForeverRefused: a platform that refuses every token must not be asked in a loop.
func TestForeverRefused(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	p.Inject(sim.Fault{API: "message/send", Code: 40014, Message: "invalid access_token", Times: -1})
	err := post(t.Context(), p.client("right"))
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || e.Kind != chat.Unavailable || e.Code != "40014" || e.Maybe {
		t.Errorf("error %v", err)
	}
	if calls := p.Stats().Calls; calls["gettoken"] != 2 || calls["message/send"] != 2 {
		t.Errorf("calls %v", calls)
	}
}

func TestTokenLife(t *testing.T) {
	for _, tc := range []struct {
		life, least, most time.Duration
	}{
		{7200 * time.Second, 6800 * time.Second, 6900 * time.Second},
		{100 * time.Second, 80 * time.Second, 90 * time.Second},
		{2 * time.Second, time.Second, 1800 * time.Millisecond},
	} {
		p := newPlatform(t, sim.Options{TokenLife: tc.life})
		if err := post(t.Context(), p.client("right")); err != nil {
			t.Fatal(err)
		}
		left := p.cache.TTLs()
		if len(left) != 1 {
			t.Fatalf("cached %v", left)
		}
		for _, ttl := range left {
			if ttl <= 0 || ttl > tc.most {
				t.Errorf("a token that lives %v is kept for %v, want at most %v", tc.life, ttl, tc.most)
			}
		}
	}
}

// TestExpiry: by another clock than the platform's nobody sees a token end; 42001 says so.
func TestExpiry(t *testing.T) {
	now := time.Now()
	p := newPlatform(t, sim.Options{TokenLife: 2 * time.Hour, Now: func() time.Time { return now }})
	c := p.client("right")
	for range 3 {
		if err := post(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		now = now.Add(3 * time.Hour)
	}
	if n := p.fetched(); n != 3 {
		t.Errorf("gettoken called %d times, want 3", n)
	}
}

func TestWithoutTheCache(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	p.cache.Fail(errors.New("redis is away"))
	stampede(t, []*wecom.Client{p.client("right")})
	if n := p.fetched(); n != 1 {
		t.Errorf("one process called gettoken %d times, want once", n)
	}
}

// TestWrongSecret: the platform blocks who asks again and again with a wrong secret.
func TestWrongSecret(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	now := time.Now()
	p.now = func() time.Time { return now }
	c := p.client("wrong-secret")
	for range 10 {
		err := post(t.Context(), c)
		if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != chat.Unauthenticated || e.Code != "40001" {
			t.Fatalf("error %v", err)
		}
	}
	if n := p.fetched(); n != 1 {
		t.Errorf("asked %d times with a wrong secret, want once", n)
	}
	now = now.Add(time.Minute)
	if err := post(t.Context(), c); chat.KindOf(err) != chat.Unauthenticated || p.fetched() != 2 {
		t.Errorf("a minute later: %v, asked %d times; want another try", err, p.fetched())
	}
}

// TestTenantsDoNotShare: a tenant that names another's corp must not get the token that the other's secret bought.
func TestTenantsDoNotShare(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	if err := post(t.Context(), p.client("right")); err != nil {
		t.Fatal(err)
	}
	if err := post(t.Context(), p.client("guessed")); chat.KindOf(err) != chat.Unauthenticated {
		t.Errorf("sent with another's token: %v", err)
	}
}

func TestLostAnswers(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault sim.Fault
		kind  chat.Kind
		maybe bool
		shown int
	}{
		{"cut after it was shown", sim.Fault{Lose: true}, chat.Unavailable, true, 1},
		{"too slow", sim.Fault{Delay: time.Minute}, chat.Timeout, true, 0},
		{"a gateway's 502", sim.Fault{Status: 502}, chat.Unavailable, true, 0},
		{"a gateway's 404", sim.Fault{Status: 404}, chat.Unavailable, false, 0},
		{"a login page", sim.Fault{Body: "<html>"}, chat.Unavailable, true, 0},
		{"JSON without errcode", sim.Fault{Body: "{}"}, chat.Unavailable, true, 0},
		{"busy", sim.Fault{Code: -1}, chat.Overloaded, false, 0},
		{"wrong IP", sim.Fault{Code: 60020, Message: "from ip: 203.0.113.7"}, chat.Forbidden, false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlatform(t, sim.Options{})
			c := p.client("right")
			tc.fault.API = "message/send"
			p.Inject(tc.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			err := post(ctx, c)
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || e.Kind != tc.kind || e.Maybe != tc.maybe {
				t.Fatalf("error %+v; want kind %v, maybe %v", err, tc.kind, tc.maybe)
			}
			if n := len(p.Shown(ref, "zhang")); n != tc.shown {
				t.Errorf("%d shown, want %d", n, tc.shown)
			}
		})
	}
}

// TestCallerGivesUp: one caller's end fails neither the others nor the token that is on its way.
func TestCallerGivesUp(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	p.Inject(sim.Fault{API: "gettoken", Delay: 300 * time.Millisecond})
	c := p.client("right")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := post(ctx, c); chat.KindOf(err) != chat.Canceled {
			t.Errorf("the one who left got %v", err)
		}
	})
	for p.fetched() == 0 { // the flight is in the air
		time.Sleep(time.Millisecond)
	}
	wg.Go(func() {
		if err := post(t.Context(), c); err != nil {
			t.Errorf("the one who stayed got %v", err)
		}
	})
	cancel()
	wg.Wait()
	if n := p.fetched(); n != 1 {
		t.Errorf("gettoken called %d times, want once", n)
	}
}

// lateLock is won only after its former holder brought the token.
type lateLock struct {
	channel.Locker
	bring func(key string)
}

func (l lateLock) TryLock(ctx context.Context, key string, ttl time.Duration) (func(), bool, error) {
	l.bring(key)
	return l.Locker.TryLock(ctx, key, ttl)
}

func TestLockWonLate(t *testing.T) {
	p := newPlatform(t, sim.Options{})
	first := p.client("right")
	if err := post(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	var token chat.Secret
	for key := range p.cache.TTLs() {
		token, _ = p.cache.Token(t.Context(), key)
		if err := p.cache.DropToken(t.Context(), key, token); err != nil {
			t.Fatal(err)
		}
	}
	p.locks = lateLock{Locker: p.cache, bring: func(key string) { _ = p.cache.SetToken(t.Context(), key, token, time.Hour) }}
	if err := post(t.Context(), p.client("right")); err != nil {
		t.Fatal(err)
	}
	if n := p.fetched(); n != 1 {
		t.Errorf("gettoken called %d times; the second replica had only to look again", n)
	}
}
