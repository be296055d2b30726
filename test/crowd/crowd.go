// Package crowd is the people of a simulated WeCom: they ask numbered questions, read their answers, and everything is kept for the
// ledger.
package crowd

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/ledger"
)

// Crowd is some people of one application. It is safe for concurrent use.
type Crowd struct {
	mu      sync.Mutex
	asked   map[ledger.ID]Message
	seen    []ledger.Seen
	strange int
	open    int // acknowledged and not answered
	waiting map[ledger.ID]chan struct{}
}

// Message is a question and what became of it. Times that did not come are zero.
type Message struct {
	ID       ledger.ID
	Due      time.Time // when the person wrote it
	Begun    time.Time // when the platform posted it first
	Acked    time.Time
	Answered time.Time
	Tries    int
	Err      string // why it was not acknowledged
}

// Platform posts a person's text until it is acknowledged; wecom.Sim is one.
type Platform interface {
	Say(ctx context.Context, ref wecom.Ref, user, text string) (wecom.Posted, error)
}

// New makes a crowd. Its Shown belongs into the platform's options.
func New() *Crowd {
	return &Crowd{asked: map[ledger.ID]Message{}, waiting: map[ledger.ID]chan struct{}{}}
}

// Shown takes what a person is shown.
func (c *Crowd) Shown(s wecom.Sent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The order is that of the calls: the platform's clock was read before its lock was taken.
	now := time.Now()
	c.seen = append(c.seen, ledger.Seen{Person: s.User, Text: s.Content, At: now})
	id, ok := ledger.Answered(s.Content)
	if !ok {
		c.strange++
		return
	}
	if m, asked := c.asked[id]; asked && m.Answered.IsZero() && s.User == id.Person {
		m.Answered = now
		c.asked[id] = m
		if !m.Acked.IsZero() {
			c.open--
		}
		close(c.wait(id))
	}
}

// wait finds or makes the channel that is closed when id is answered. The caller holds the lock.
func (c *Crowd) wait(id ledger.ID) chan struct{} {
	ch := c.waiting[id]
	if ch == nil {
		ch = make(chan struct{})
		c.waiting[id] = ch
	}
	return ch
}

// Ask posts question id and blocks until it is acknowledged or given up. due is when it should have left: what is measured from it does
// not forgive a platform that was kept waiting.
func (c *Crowd) Ask(ctx context.Context, p Platform, ref wecom.Ref, id ledger.ID, due time.Time) Message {
	c.mu.Lock()
	c.asked[id] = Message{ID: id, Due: due, Begun: time.Now()}
	c.mu.Unlock()
	posted, err := p.Say(ctx, ref, id.Person, ledger.Question(id))
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.asked[id] // it may be answered already
	m.Tries = len(posted.Tries)
	if posted.Acked {
		m.Acked = now
		if m.Answered.IsZero() {
			c.open++
		}
	}
	if err != nil {
		m.Err = err.Error()
	}
	c.asked[id] = m
	return m
}

// Await blocks until question id is answered.
func (c *Crowd) Await(ctx context.Context, id ledger.ID) error {
	c.mu.Lock()
	answered := c.wait(id)
	c.mu.Unlock()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		select {
		case <-answered:
			return nil
		default:
			return fmt.Errorf("%s is not answered: %w", id, ctx.Err())
		}
	}
}

// Past takes a question that was asked and answered before anything is measured.
func (c *Crowd) Past(id ledger.ID, answer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.asked[id] = Message{ID: id, Due: now, Begun: now, Acked: now, Answered: now, Tries: 1}
	c.seen = append(c.seen, ledger.Seen{Person: id.Person, Text: answer, At: now})
}

// Messages lists all questions, in no order.
func (c *Crowd) Messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Message, 0, len(c.asked))
	for _, m := range c.asked {
		list = append(list, m)
	}
	return list
}

// Since lists the questions that were due from a moment on, in no order.
func (c *Crowd) Since(from time.Time) []Message {
	return slices.DeleteFunc(c.Messages(), func(m Message) bool { return m.Due.Before(from) })
}

// Open is how many questions were acknowledged and have no answer, and how many texts were shown that answer nothing.
func (c *Crowd) Open() (unanswered, strange int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.strange
}

// Check gives everything to the ledger.
func (c *Crowd) Check(window int) ledger.Report {
	messages := c.Messages()
	asked := make([]ledger.Asked, len(messages))
	for i, m := range messages {
		asked[i] = ledger.Asked{ID: m.ID, Begun: m.Begun, Acked: m.Acked}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return ledger.Check(asked, c.seen, window)
}
