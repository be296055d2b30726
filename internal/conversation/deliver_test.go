package conversation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func (k *killable) Intend(ctx context.Context, c conversation.Claim, p chat.Pace) (conversation.Next, error) {
	return guard(k, "intend", func() (conversation.Next, error) { return k.Store.Intend(ctx, c, p) })
}

func (k *killable) Postpone(ctx context.Context, c conversation.Claim, p conversation.Postponement) error {
	_, err := guard(k, "postpone", func() (struct{}, error) { return struct{}{}, k.Store.Postpone(ctx, c, p) })
	return err
}

// platform is an outlet that many people use and that notes when it is called; it refuses with no while that is set.
type platform struct {
	*outlet
	at    sync.Mutex
	calls []time.Time
	no    func(m chat.Message) *chat.Error
}

func newPlatform(w *world) *platform { return &platform{outlet: w.out} }

func (p *platform) Outlet(_, channel string) (conversation.Outlet, bool) { return p, channel == "app" }

// Parts makes requests of different people differ.
func (p *platform) Parts(m chat.Message, text string, unique int64) ([]chat.Part, error) {
	parts, err := p.outlet.Parts(m, text, unique)
	for i := range parts {
		var v map[string]any
		_ = json.Unmarshal(parts[i], &v)
		v["To"] = m.User
		parts[i], _ = json.Marshal(v)
	}
	return parts, err
}

func (p *platform) Send(ctx context.Context, m chat.Message, part chat.Part) error {
	p.at.Lock()
	p.calls = append(p.calls, time.Now())
	no := p.no
	p.at.Unlock()
	if no != nil {
		if e := no(m); e != nil {
			return e
		}
	}
	return p.outlet.Send(ctx, m, part)
}

func (p *platform) refuse(no func(chat.Message) *chat.Error) {
	p.at.Lock()
	defer p.at.Unlock()
	p.no = no
}

func (p *platform) all(e *chat.Error) { p.refuse(func(chat.Message) *chat.Error { return e }) }

// called are the calls since a time.
func (p *platform) called(since time.Time) (out []time.Time) {
	p.at.Lock()
	defer p.at.Unlock()
	for _, t := range p.calls {
		if !t.Before(since) {
			out = append(out, t)
		}
	}
	return out
}

// on is a world whose channel is p.
func (w *world) on(p *platform) func(*conversation.Options) {
	return func(o *conversation.Options) { o.Directory = platformWorld{w, p} }
}

type platformWorld struct {
	*world
	p *platform
}

func (w platformWorld) Outlet(_, channel string) (conversation.Outlet, bool) {
	return w.p.Outlet("", channel)
}

// lines takes log messages.
type lines struct {
	slog.Handler
	mu   *sync.Mutex
	list *[]string
}

func newLines() lines { return lines{slog.DiscardHandler, &sync.Mutex{}, &[]string{}} }

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.list = append(*l.list, line)
	return nil
}

func (l lines) with(what string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range *l.list {
		if strings.Contains(line, what) {
			out = append(out, line)
		}
	}
	return out
}

func untrusted() *chat.Error {
	e := chat.E(chat.Forbidden, "wecom.send", fmt.Errorf("not allow to access from your ip, from ip: 203.0.113.7"))
	e.Code = "60020"
	return e
}

func (w *world) stats() conversation.Stats {
	w.t.Helper()
	st, err := w.store.Stats(context.Background(), "acme")
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// Answers, commands and apologies of two replicas together keep the pace of the channel, and none is lost.
func TestPaceIsKeptByAllReplies(t *testing.T) {
	for name, pace := range map[string]chat.Pace{"quick": {Burst: 5, Every: time.Second}, "slow": {Burst: 2, Every: 4 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.MaxWait = 0
				w.out.pace, w.out.size = pace, 8
				p := newPlatform(w)
				a, b := w.start(w.on(p)), w.start(w.on(p))
				const messages = 12
				for i := range messages {
					text := fmt.Sprintf("a question of %d", i)
					if i%3 == 1 {
						text = "/help"
					}
					w.post([]*process{a, b}[i%2], chat.Message{ID: fmt.Sprint(i), Kind: chat.KindText, Text: text})
					settle(300 * time.Millisecond)
				}
				w.post(a, chat.Message{ID: "image", Kind: chat.KindUnsupported, Text: "image"})
				settle(20 * time.Minute)
				if st := w.stats(); st != (conversation.Stats{}) {
					t.Errorf("left: %+v", st)
				}
				calls := p.called(time.Time{})
				for i, from := range calls {
					for n, to := range calls[i:] {
						if most := pace.Burst + int(to.Sub(from)/pace.Every); n+1 > most {
							t.Fatalf("%d calls within %v, want at most %d", n+1, to.Sub(from), most)
						}
					}
				}
				if n := len(calls); n < 3*messages {
					t.Errorf("%d parts: too few to tell", n)
				}
				if all := strings.Join(w.out.texts(), ""); strings.Count(all, "re: a question") != 8 {
					t.Errorf("shown %q", all)
				}
			})
		})
	}
}

// A channel that refuses all is asked by one reply at a time; replies wait in the store without a place, and go out within a minute of the
// mending, in order.
func TestABlockedChannel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.MaxWait = 0
		w.llm.delay = 10 * time.Millisecond
		p, log := newPlatform(w), newLines()
		c := w.start(w.on(p), func(o *conversation.Options) { o.Log = slog.New(log) })
		p.all(untrusted())
		const people = 300
		for i := range people {
			w.sayAs(c, fmt.Sprint("u", i), fmt.Sprint("a", i), "one")
			w.sayAs(c, fmt.Sprint("u", i), fmt.Sprint("b", i), "two")
			settle(100 * time.Millisecond)
		}
		settle(10 * time.Minute)
		if st := w.stats(); st.Waiting != 2*people || st.Running > 3 || st.Postponed+st.Ready+st.Running != people {
			t.Errorf("%+v, want %d conversations postponed", st, people)
		}
		if n := len(p.called(time.Time{})); n > 40 { // 6 growing pauses, and then one in 35 s
			t.Errorf("%d calls in vain in 10 minutes", n)
		}
		if d := cmp.Diff([]conversation.Blocked{{
			Tenant: "acme", Channel: "app", Code: "60020", Why: "wecom.send: forbidden 60020: not allow to access from your ip, from ip: 203.0.113.7",
		}}, blocked(c), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Since" }, cmp.Ignore())); d != "" {
			t.Errorf("blocked (-want +got):\n%s", d)
		}
		if l := log.with("from ip: 203.0.113.7"); len(l) != 1 {
			t.Errorf("%d lines say why, want 1: %.300q", len(l), l)
		}
		p.refuse(nil)
		settle(61 * time.Second)
		got := w.out.texts()
		if len(got) != 2*people || len(p.called(time.Time{})) > 2*people+40 {
			t.Errorf("%d of %d replies within a minute of the mending", len(got), 2*people)
		}
		if len(blocked(c)) != 0 || len(log.with("takes messages again")) != 1 {
			t.Errorf("blocked %v, said %q", blocked(c), log.with("takes messages again"))
		}
		for _, call := range w.llm.calls {
			if call.Attempt != 1 {
				t.Fatalf("attempt %d: a postponed reply is none", call.Attempt)
			}
		}
	})
}

func blocked(p *process) []conversation.Blocked { return p.Blocked() }

// A reply that was refused was not shown, however long ago: it is kept over the death of every replica, and sent when that is mended. Only if
// one died between an intent and the refusal nobody knows, and the platform's check of repetitions bounds what is safe.
func TestAPostponedReplyOutlivesItsReplicas(t *testing.T) {
	for name, c := range map[string]struct {
		kill    func(*process)
		blocked time.Duration
	}{
		"killed while it waits":        {func(p *process) { p.store.kill("idle", false) }, 3 * time.Hour},
		"killed after it is told":      {func(p *process) { p.store.kill("postpone", true) }, 3 * time.Hour},
		"killed before the next try":   {func(p *process) { p.store.kill("intend", false) }, 3 * time.Hour},
		"stopped":                      {func(p *process) { p.stop() }, 3 * time.Hour},
		"killed before it is told":     {func(p *process) { p.store.kill("postpone", false) }, 15 * time.Minute},
		"killed after its next intent": {func(p *process) { p.store.kill("intend", true) }, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.out.resend, w.out.size = 25*time.Minute, 6
				p := newPlatform(w)
				a := w.start(w.on(p))
				w.say(a, "0", "x") // so that the process has begun
				settle(5 * time.Second)
				p.all(untrusted())
				w.say(a, "1", "one")
				settle(3 * time.Second)
				c.kill(a)
				settle(5 * time.Minute)
				w.start(w.on(p))
				settle(c.blocked)
				p.refuse(nil)
				settle(time.Minute + 5*time.Second)
				shown(t, w, "re: x ", "(0)", "re: on", "e (1)")
			})
		})
	}
}

// A process that has just begun, with thousands of replies that were refused before, tries one of them.
func TestAStartDoesNotTryAllThatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := newPlatform(w)
		a := w.start(w.on(p))
		p.all(untrusted())
		const people = 1000
		for i := range people {
			w.sayAs(a, fmt.Sprint("u", i), fmt.Sprint(i), "one")
		}
		settle(10 * time.Second)
		for range 3 {
			a.store.kill("idle", false)
			settle(2 * time.Minute) // all are due
			before := time.Now()
			a = w.start(w.on(p))
			settle(2 * time.Minute)
			if n := len(p.called(before)); n > 12 {
				t.Errorf("%d calls in vain in the first two minutes of a process", n)
			}
		}
		p.refuse(nil)
		settle(time.Minute)
		if n := len(w.out.texts()); n != people {
			t.Errorf("%d of %d replies", n, people)
		}
		// Where all is well, it costs nobody more than a moment.
		a.stop()
		for i := range people {
			w.sayAs(a, fmt.Sprint("u", i), fmt.Sprint("next", i), "two")
		}
		w.start(w.on(p))
		settle(5 * time.Second)
		if n := len(w.out.texts()); n != 2*people {
			t.Errorf("%d of %d replies after a start", n, 2*people)
		}
	})
}

// A part that was not sent when its process was shut down is no doubtful one, also where the platform would show it twice.
func TestAPartHandedOverBeforeItWasSentIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.out.resend, w.out.size = 0, 2
		w.out.pace = chat.Pace{Burst: 1, Every: 30 * time.Second}
		p := newPlatform(w)
		a := w.start(w.on(p))
		w.say(a, "1", "one")
		settle(10 * time.Second)
		a.stop() // while the second part waits for its place
		w.start(w.on(p))
		settle(10 * time.Minute)
		if got := strings.Join(w.out.texts(), ""); got != "re: one (0)" {
			t.Errorf("shown %q", got)
		}
	})
}

// What fails and may pass is tried again after growing pauses, the long ones without a place.
func TestAPlatformThatIsDownForHours(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.out.resend = 25 * time.Minute
		p := newPlatform(w)
		a := w.start(w.on(p))
		p.all(chat.E(chat.Unavailable, "x", nil))
		w.say(a, "1", "one")
		settle(30 * time.Second)
		busy := 0
		for range 100 {
			settle(3 * time.Second)
			busy += a.Running()
		}
		if busy > 5 {
			t.Errorf("it was running %d times of 100", busy)
		}
		settle(3 * time.Hour)
		if n := len(p.called(time.Time{})); n > 500 || n < 200 {
			t.Errorf("%d tries in 3 hours, want one in 30 to 50 s", n)
		}
		p.refuse(nil)
		settle(time.Minute)
		shown(t, w, "re: one (0)")
	})
}

// The platform says for how long it takes nothing from anybody.
func TestALimitOnCallsShutsTheGate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := newPlatform(w)
		a := w.start(w.on(p))
		e := chat.E(chat.RateLimited, "x", nil)
		e.Code, e.RetryAfter = "45009", time.Minute
		p.all(e)
		for i := range 50 {
			w.sayAs(a, fmt.Sprint("u", i), fmt.Sprint(i), "one")
			settle(time.Second)
		}
		settle(5 * time.Minute)
		if n := len(p.called(time.Time{})); n > 8 {
			t.Errorf("%d calls while it takes none", n)
		}
		p.refuse(nil)
		settle(2 * time.Minute)
		if n := len(w.out.texts()); n != 50 {
			t.Errorf("%d of 50 replies", n)
		}
	})
}

// What is refused for one person's sake holds nobody else up: a licence is bought some day, who left the company is gone.
func TestARefusalOfOnePersonBlocksNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := newPlatform(w)
		a := w.start(w.on(p))
		p.refuse(func(m chat.Message) *chat.Error {
			switch m.User {
			case "unlicensed":
				return chat.E(chat.Billing, "x", nil)
			case "gone":
				return chat.E(chat.NotFound, "x", nil)
			}
			return nil
		})
		for i, user := range []string{"unlicensed", "gone", "li", "gone", "wang"} {
			w.sayAs(a, user, fmt.Sprint(i), user)
			settle(5 * time.Second)
		}
		settle(2 * time.Minute)
		shown(t, w, "re: li (0)", "re: wang (0)")
		if st := w.stats(); st.Waiting != 1 || len(a.Blocked()) != 0 {
			t.Errorf("%+v, blocked %v, want the unlicensed one's reply waiting", st, a.Blocked())
		}
		p.refuse(nil)
		settle(time.Minute)
		shown(t, w, "re: li (0)", "re: wang (0)", "re: unlicensed (0)")
	})
}

// After a day a reply is given up, and its message kept for operators; so are those behind it as they come of age.
func TestAReplyIsGivenUpAfterADay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p, log := newPlatform(w), newLines()
		a := w.start(w.on(p), func(o *conversation.Options) { o.Log = slog.New(log); o.Poll = 5 * time.Second })
		p.all(untrusted())
		w.say(a, "1", "one")
		settle(12 * time.Hour)
		w.say(a, "2", "two")
		settle(12*time.Hour - time.Minute)
		if st := w.stats(); st.Dead != 0 || st.Waiting != 2 {
			t.Errorf("after a day less a minute: %+v", st)
		}
		settle(5 * time.Minute)
		letters, err := w.store.DeadLetters(context.Background(), "acme", 10)
		if err != nil || len(letters) != 1 || letters[0].Message.ID != "1" || letters[0].Reason != "undeliverable" {
			t.Errorf("after a day: %+v, %v", letters, err)
		}
		if l := log.with("could not be sent for as long"); len(l) != 1 {
			t.Errorf("said %q", l)
		}
		p.refuse(nil)
		settle(time.Minute)
		if got := w.out.texts(); len(got) != 1 {
			t.Errorf("shown %q, want the younger message's reply", got)
		}
	})
}

// A channel that is taken out of the document while a reply of it waits.
func TestAReplyWithoutItsChannel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := newPlatform(w)
		a := w.start(w.on(p))
		p.all(untrusted())
		w.say(a, "1", "one")
		settle(5 * time.Second)
		a.stop()
		w.start(func(o *conversation.Options) { o.Directory = noChannel{w} })
		settle(2 * time.Minute)
		if st := w.stats(); st.Dead != 1 || st.Waiting != 0 || st.Running != 0 {
			t.Errorf("%+v, want a dead letter", st)
		}
	})
}

type noChannel struct{ *world }

func (noChannel) Outlet(_, _ string) (conversation.Outlet, bool) { return nil, false }

// One that tries the channel for the others loses its conversation meanwhile: another one tries.
func TestAProbeThatEndsLeavesTheGateToOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.MaxWait = 0
		p, l := newPlatform(w), &lateRenewal{Store: w.store}
		a := w.start(w.on(p), func(o *conversation.Options) { o.Store = l })
		p.all(untrusted())
		for i := range 5 {
			w.sayAs(a, fmt.Sprint("u", i), fmt.Sprint(i), "one")
		}
		settle(40 * time.Second)
		p.refuse(func(chat.Message) *chat.Error { time.Sleep(15 * time.Second); return untrusted() })
		before := len(p.called(time.Time{}))
		for len(p.called(time.Time{})) == before {
			settle(100 * time.Millisecond)
		}
		l.hold.Store(true)
		settle(6 * time.Second) // longer than the lease
		for i := range conversation.Shards {
			if _, err := w.store.Reap(context.Background(), []conversation.Shard{{Tenant: "acme", Index: i}}); err != nil {
				t.Fatal(err)
			}
		}
		l.hold.Store(false)
		p.refuse(nil)
		settle(75 * time.Second)
		if n := len(w.out.texts()); n != 5 {
			t.Errorf("%d of 5 replies", n)
		}
	})
}
