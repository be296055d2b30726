package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/sim/llm"
	"parley/test/ledger"
)

// shot is one turn, asked of one server once: nothing here tries again.
type shot struct {
	question string // names the turn in the providers' ledgers
	right    string // the answer that fits the question and its history
	tenant   string
	server   string

	due, sent, ended time.Time
	starts           []chat.Start
	reply            chat.Reply
	err              error
}

// aim makes the n-th question of a person who has asked once before, so that a right answer proves that the history went along.
func (s *stage) aim(tenant string, to *server) (*shot, chat.Request) {
	person := fmt.Sprintf("p%d", s.asked.Add(1))
	before, now := ledger.Question(ledger.ID{Person: person, N: 1}), ledger.Question(ledger.ID{Person: person, N: 2})
	earlier := ledger.Answer([]ledger.Line{{Role: "user", Text: before}})
	right := ledger.Answer([]ledger.Line{{Role: "user", Text: before}, {Role: "assistant", Text: earlier}, {Role: "user", Text: now}})
	return &shot{question: now, right: right, tenant: tenant, server: to.Name}, chat.Request{
		Tenant: tenant, Conversation: person, Turn: person + "-2", Attempt: 1, User: person, Model: "chat", System: "你是公司的助手。",
		History:  []chat.Turn{{Question: before, Answer: earlier, At: time.Now()}},
		Question: now,
	}
}

// patience bounds one turn.
const patience = 60 * time.Second

// fire asks and waits for the end.
func (x *shot) fire(ctx context.Context, to *server, req chat.Request) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	x.sent = time.Now()
	x.reply, x.err = to.client.Complete(ctx, req, func(e chat.Event) {
		if e.Kind == chat.Started {
			x.starts = append(x.starts, e.Start)
		}
	})
	x.ended = time.Now()
}

// volley is a running open-loop load: turns leave when they are due, however many are on their way.
type volley struct {
	quit  context.CancelFunc
	done  chan struct{}
	shots []*shot
}

// load begins to ask the servers in turn, rate a second over all of them. Each server gets the tenants in turn, and those of several servers
// are spread: one tenant's turns do not come in bunches. Every third turn wants deltas. It ends with stop, or with ctx.
func (s *stage) load(ctx context.Context, rate int, servers []*server, tenants ...string) *volley {
	firing, quit := context.WithCancel(ctx)
	v := &volley{quit: quit, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		var wg sync.WaitGroup
		defer wg.Wait()
		began := time.Now()
		for i := 0; ; i++ {
			due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
			if pause(firing, time.Until(due)) != nil {
				return
			}
			at := i % len(servers)
			x, req := s.aim(tenants[(i/len(servers)+at*len(tenants)/len(servers))%len(tenants)], servers[at])
			req.Deltas = i%3 == 0
			x.due = due
			v.shots = append(v.shots, x)
			wg.Go(func() { x.fire(ctx, servers[at], req) })
		}
	}()
	return v
}

// stop ends the load, waits for what is on its way and gives all turns.
func (v *volley) stop() []*shot {
	v.quit()
	<-v.done
	return v.shots
}

// call is one request that a provider got.
type call struct {
	provider string
	llm.Entry
}

// calls sorts the ledgers' requests by question, the earliest first.
func calls(ledgers map[string][]llm.Entry) map[string][]call {
	by := map[string][]call{}
	for _, provider := range []string{first, second} {
		for _, e := range ledgers[provider] {
			list := by[e.Last]
			at := len(list)
			for at > 0 && list[at-1].At.After(e.At) {
				at--
			}
			by[e.Last] = append(list[:at:at], append([]call{{provider, e}}, list[at:]...)...)
		}
	}
	return by
}

// fault is what is wrong with a turn that should have been answered at the first call by the provider that it began with; "" is nothing.
func (x *shot) fault(made []call) string {
	switch {
	case x.err != nil:
		return "failed: " + x.err.Error()
	case !strings.Contains(llm.Strip(x.reply.Text), x.right):
		return fmt.Sprintf("was answered %q, want %q", x.reply.Text, x.right)
	case len(x.starts) != 1 || len(made) != 1:
		return fmt.Sprintf("was begun %d times, with %d calls", len(x.starts), len(made))
	case made[0].provider != x.reply.Provider || x.starts[0].Provider != x.reply.Provider:
		return fmt.Sprintf("says %s, and went to %s", x.reply.Provider, made[0].provider)
	case made[0].Outcome != llm.Finished:
		return fmt.Sprintf("its call is %s in the ledger of %s", made[0].Outcome, made[0].provider)
	case x.reply.Fallback:
		return "fell back to " + x.reply.Provider
	}
	return ""
}
