package main

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/ledger"
)

// people are all who write, and what each was shown. It is safe for concurrent use.
type people struct {
	mu  sync.Mutex
	all map[string]*person
}

type person struct {
	wrote []*message
	extra []string // shown and of no message: a second reply, or a strange one
}

// message is a question and what became of it. Times that did not come are zero.
type message struct {
	person  string
	due     time.Time // when the person wrote it
	acked   time.Time
	replied time.Time
	tries   int
	what    string // "answered", or the name of the text
}

const answered = "answered"

func newPeople() *people { return &people{all: map[string]*person{}} }

var named = regexp.MustCompile(`^【言 ([a-z_]+)】`)

// shown is the platform's OnShown. An answer names its question; a text stands for the oldest message of its person without a reply.
func (p *people) shown(s wecom.Sent) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.all[s.User]
	if who == nil {
		who = &person{}
		p.all[s.User] = who
	}
	if m, what := who.concerns(s); m != nil {
		m.replied, m.what = now, what
		return
	}
	who.extra = append(who.extra, s.Content)
}

// concerns finds the message that a text replies to; nil: none that waits for one.
func (w *person) concerns(s wecom.Sent) (*message, string) {
	if id, ok := ledger.Answered(s.Content); ok {
		if id.Person == s.User && id.N >= 1 && id.N <= len(w.wrote) && w.wrote[id.N-1].what == "" {
			return w.wrote[id.N-1], answered
		}
		return nil, ""
	}
	name := named.FindStringSubmatch(s.Content)
	if name == nil {
		return nil, ""
	}
	for _, m := range w.wrote {
		if m.what == "" {
			return m, name[1]
		}
	}
	return nil, ""
}

// write posts one message more of a person and blocks until it is acknowledged or given up.
func (p *people) write(ctx context.Context, sim *wecom.Sim, ref wecom.Ref, who string, due time.Time) *message {
	m := &message{person: who, due: due}
	p.mu.Lock()
	x := p.all[who]
	if x == nil {
		x = &person{}
		p.all[who] = x
	}
	x.wrote = append(x.wrote, m)
	n := len(x.wrote)
	p.mu.Unlock()
	posted, _ := sim.Say(ctx, ref, who, ledger.Question(ledger.ID{Person: who, N: n})) // the error says that it was not acknowledged
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.tries = len(posted.Tries); posted.Acked {
		m.acked = time.Now()
	}
	return m
}

// load is an open loop: message i leaves when it is due, however slow everything is.
type load struct {
	n    int
	rate float64 // a second
	of   func(i int) (tenant, who string)
}

// offer posts a load and returns its messages; replies may still come.
func (t *town) offer(ctx context.Context, l load) []*message {
	list := make([]*message, l.n)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range l.n {
		due := began.Add(time.Duration(float64(i) / l.rate * float64(time.Second)))
		if d := time.Until(due); d > 0 {
			if pause(ctx, d) != nil {
				list = list[:i]
				break
			}
		}
		tenant, who := l.of(i)
		wg.Go(func() { list[i] = t.people.write(ctx, t.sim, t.refs[tenant], who, due) })
	}
	wg.Wait()
	return list
}

// settle waits until every acknowledged message has its reply, and a moment more for second ones. What is open after d is for the sum to tell.
func (t *town) settle(ctx context.Context, list []*message, d time.Duration) error {
	for end := time.Now().Add(d); t.people.open(list) > 0 && time.Now().Before(end); {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return pause(ctx, 500*time.Millisecond)
}

// open is how many were acknowledged and have no reply.
func (p *people) open(list []*message) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range list {
		if m.what == "" && !m.acked.IsZero() {
			n++
		}
	}
	return n
}

// somebody names people who write once each.
func somebody(tenant, stage string) func(int) (string, string) {
	return func(i int) (string, string) { return tenant, fmt.Sprintf("%s-%d", stage, i+1) }
}
