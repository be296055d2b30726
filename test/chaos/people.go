package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/crowd"
	"parley/test/ledger"
)

// said is one message that a person wrote.
type said struct {
	ID    ledger.ID
	MsgID string // the platform's
	Stop  bool   // a stop command
	Begun time.Time
	Acked time.Time // zero: the platform gave it up
	Tries int
	// Refused are the deliveries that were not answered 200.
	Refused []wecom.Try
}

// shown is one text that a person saw, in the order in which the platform showed them.
type shown struct {
	Person string
	Text   string
	At     time.Time // by the platform's clock, which is this machine's
}

// people are those who talk, and all that they said and saw. It is safe for concurrent use.
type people struct {
	mu      sync.Mutex
	said    map[string][]*said
	shown   []shown
	replies map[string]int           // complete ones
	changed map[string]chan struct{} // closed when somebody sees a reply
}

func newPeople() *people {
	return &people{said: map[string][]*said{}, replies: map[string]int{}, changed: map[string]chan struct{}{}}
}

// see takes what somebody was shown.
func (p *people) see(s wecom.Sent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = append(p.shown, shown{s.User, s.Content, s.At})
	if read(s.Content).more {
		return
	}
	p.replies[s.User]++
	if ch := p.changed[s.User]; ch != nil {
		close(ch)
		delete(p.changed, s.User)
	}
}

// platform posts a person's text; rig.WeCom is one.
type platform interface {
	Say(ctx context.Context, ref wecom.Ref, user, text string) (wecom.Posted, error)
}

const stopCommand = "/stop"

// say posts a person's next message and blocks until it is acknowledged or given up.
func (p *people) say(ctx context.Context, at platform, ref wecom.Ref, person string, stop bool) error {
	p.mu.Lock()
	m := &said{ID: ledger.ID{Person: person, N: len(p.said[person]) + 1}, Stop: stop, Begun: time.Now()}
	p.said[person] = append(p.said[person], m)
	p.mu.Unlock()
	text := ledger.Question(m.ID)
	if stop {
		text = stopCommand
	}
	posted, err := at.Say(ctx, ref, person, text)
	acked := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	m.Tries, m.MsgID = len(posted.Tries), posted.ID
	for _, t := range posted.Tries {
		if t.Status != http.StatusOK {
			m.Refused = append(m.Refused, t)
		}
	}
	if posted.Acked {
		m.Acked = acked
	}
	return err
}

// answered blocks until a person has seen as many replies as they wrote messages, or ctx ends.
func (p *people) answered(ctx context.Context, person string) {
	for {
		p.mu.Lock()
		if p.replies[person] >= len(p.said[person]) {
			p.mu.Unlock()
			return
		}
		ch := p.changed[person]
		if ch == nil {
			ch = make(chan struct{})
			p.changed[person] = ch
		}
		p.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			return
		}
	}
}

// open is how many acknowledged messages have no reply yet, and how many texts were shown so far.
func (p *people) open() (open, seen int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for person, list := range p.said {
		acked := 0
		for _, m := range list {
			if !m.Acked.IsZero() {
				acked++
			}
		}
		open += max(0, acked-p.replies[person])
	}
	return open, len(p.shown)
}

// settle blocks until everything is replied to and nothing more was shown for as long as quiet: a second answer comes late. It gives up
// when ctx ends.
func (p *people) settle(ctx context.Context, quiet time.Duration) {
	before, since := -1, time.Now()
	for ctx.Err() == nil {
		open, seen := p.open()
		if open > 0 || seen != before {
			before, since = seen, time.Now()
		}
		if time.Since(since) >= quiet {
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// all gives a copy of everything, by person.
func (p *people) all() map[string]*person {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]*person{}
	for name, list := range p.said {
		one := &person{name: name}
		for _, m := range list {
			one.said = append(one.said, *m)
		}
		out[name] = one
	}
	for _, s := range p.shown {
		if out[s.Person] == nil {
			out[s.Person] = &person{name: s.Person}
		}
		out[s.Person].shown = append(out[s.Person].shown, s)
	}
	return out
}

// person is one conversation: what was said in it, in the person's order, and what was shown.
type person struct {
	name  string
	said  []said
	shown []shown
}

func sortedPeople(all map[string]*person) []*person {
	return slices.SortedFunc(maps.Values(all), func(a, b *person) int { return strings.Compare(a.name, b.name) })
}

// acks is how long acknowledgements took, from the first try on.
func acks(all map[string]*person) crowd.Latency {
	var times []time.Duration
	for _, p := range all {
		for _, m := range p.said {
			if !m.Acked.IsZero() {
				times = append(times, m.Acked.Sub(m.Begun))
			}
		}
	}
	return crowd.Summarize(times)
}

// manners are how people talk.
type manners struct {
	turns        int // questions of each
	eager, burst int // percent: who write on without waiting; who write all at once
	stops        int // percent of questions that are followed by a stop command
	chatty       int // people besides, who write more at once than the platform lets an application answer in a minute
	patience     time.Duration
}

// talk has people come at an even rate and returns when the last one's last message was acknowledged, given up, or waited for.
func (p *people) talk(ctx context.Context, at platform, where []company, length time.Duration, rate float64, seed uint64, m manners) error {
	random := rand.New(rand.NewPCG(seed, 1))
	began := time.Now()
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	for i := range max(1, int(rate*length.Seconds())/m.turns) {
		due := began.Add(time.Duration(random.Int64N(int64(length) + 1)))
		c := where[i%len(where)]
		own := rand.New(rand.NewPCG(seed, uint64(1000+i)))
		wg.Go(func() {
			pause(ctx, time.Until(due))
			if err := p.converse(ctx, at, c.app.Ref, fmt.Sprintf("%s%05d", c.tenant, i+1), own, m); err != nil && ctx.Err() == nil {
				once.Do(func() { failed = err })
			}
		})
	}
	for i := range m.chatty {
		due := began.Add(time.Duration(random.Int64N(int64(length)/3 + 1)))
		c := where[i%len(where)]
		wg.Go(func() {
			pause(ctx, time.Until(due))
			all := manners{turns: chattyTurns, eager: 100}
			if err := p.converse(ctx, at, c.app.Ref, fmt.Sprintf("%schatty%d", c.tenant, i+1), rand.New(rand.NewPCG(seed, uint64(i))), all); err != nil && ctx.Err() == nil {
				once.Do(func() { failed = err })
			}
		})
	}
	wg.Wait()
	return failed
}

// chattyTurns is over WeCom's 30 a minute.
const chattyTurns = 34

func (p *people) converse(ctx context.Context, at platform, ref wecom.Ref, name string, random *rand.Rand, m manners) error {
	manner := random.IntN(100)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	post := func(stop bool) {
		if err := p.say(ctx, at, ref, name, stop); err != nil {
			mu.Lock()
			failed = err
			mu.Unlock()
		}
	}
	for range m.turns {
		stopping, after := random.IntN(100) < m.stops, time.Duration(random.Int64N(int64(3*time.Second)))
		if manner < m.burst {
			wg.Go(func() { post(false) })
			continue
		}
		post(false)
		if stopping {
			pause(ctx, after)
			post(true)
		}
		if manner >= m.burst+m.eager {
			wait, cancel := context.WithTimeout(ctx, m.patience)
			p.answered(wait, name)
			cancel()
		}
	}
	wg.Wait()
	return failed
}
