package conversation_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// two serves two tenants, aaa and zzz, whose channels and people have the same names.
type two struct{ *world }

func (w two) Tenant(name string) (*chat.Tenant, bool) {
	t := w.tenant
	t.Name = name
	return &t, true
}
func (w two) Tenants() []string                              { return []string{"aaa", "zzz"} }
func (w two) Outlet(_, _ string) (conversation.Outlet, bool) { return w.out, true }

func (w two) say(p *process, tenant, user, id, text string) {
	w.t.Helper()
	m := chat.Message{ID: id, Kind: chat.KindText, Text: text, User: user}
	m.Conversation = chat.ConversationKey{Tenant: tenant, Channel: "app", ID: user}
	if err := p.Accept(context.Background(), m); err != nil {
		w.t.Fatal(err)
	}
}

func TestConversationsOfTwoTenantsWithTheSameNamesStayApart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := two{newWorld(t)}
		w.llm.delay = 20 * time.Second // many leases
		p := w.start(func(o *conversation.Options) { o.Directory = w })
		w.say(p, "aaa", "zhang", "1", "a")
		w.say(p, "zzz", "zhang", "1", "z")
		settle(5 * time.Second)
		w.say(p, "aaa", "zhang", "2", "/stop")
		settle(40 * time.Second)
		got := w.out.texts()
		slices.Sort(got)
		want := []string{"re: z (0)", "已停止。", "（这条消息的回答已停止）"}
		if !slices.Equal(got, want) || w.llm.asked() != 2 {
			t.Errorf("shown %q with %d calls, want %q with 2", got, w.llm.asked(), want)
		}
	})
}

// A process without room shares the places that become free between tenants.
func TestNoTenantTakesAllThePlaces(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := two{newWorld(t)}
		w.tenant.Limits.MaxWait = 0
		with := func(o *conversation.Options) { o.Directory = w; o.Turns = 4 }
		w.start(with)
		quiet := w.start(with)
		quiet.stop()
		for i := range 10 {
			w.say(quiet, "zzz", fmt.Sprint(i), fmt.Sprint(i), "zzz")
		}
		for i := range 600 { // as much as the process can take
			w.say(quiet, "aaa", fmt.Sprint(i), fmt.Sprint(i), "aaa")
			if i%10 == 9 {
				settle(time.Second)
			}
		}
		n := 0
		for _, c := range w.llm.calls {
			if c.Question == "zzz" {
				n++
			}
		}
		if n < 10 {
			t.Errorf("after a minute %d of zzz's 10 questions were asked, though they came first", n)
		}
		w.llm.delay = time.Millisecond
	})
}

// many serves 100 tenants, one message each.
type many struct{ two }

func (w many) Tenants() []string {
	out := make([]string, 100)
	for i := range out {
		out[i] = fmt.Sprint("t", i)
	}
	return out
}

type slowClaim struct{ conversation.Store }

func (s slowClaim) Claim(ctx context.Context, sh []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	time.Sleep(5 * time.Millisecond)
	return s.Store.Claim(ctx, sh, owner, n, o)
}

// The sweep's claims under way reserve places; that must not make an idle process with few of them take itself for full.
func TestAnIdleProcessWithFewPlacesClaimsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := many{two{newWorld(t)}}
		w.llm.delay = 0
		p := w.start(func(o *conversation.Options) { o.Directory, o.Store, o.Turns = w, slowClaim{w.store}, 1000 })
		late := 0
		for i := range 100 {
			w.say(p, fmt.Sprint("t", i), "zhang", fmt.Sprint(i), fmt.Sprint("question ", i))
			before := len(w.out.texts())
			settle(50 * time.Millisecond)
			if len(w.out.texts()) == before {
				late++
			}
			settle(87 * time.Millisecond)
		}
		if late > 10 {
			t.Errorf("%d of 100 messages were not taken within 50 ms", late)
		}
	})
}
