package wecom

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Message is what a person does in an application.
type Message struct {
	User string `json:"user"`
	// Type is the MsgType; empty: text, or event if Event is set.
	Type     string `json:"type,omitempty"`
	Text     string `json:"text,omitempty"`
	Event    string `json:"event,omitempty"` // enter_agent, subscribe, click, …
	EventKey string `json:"event_key,omitempty"`
	// Recognition is what the platform heard in a voice message, where an old setup gives it.
	Recognition string `json:"recognition,omitempty"`
	// MediaID names what was put with PutMedia; empty: one that leads nowhere.
	MediaID string `json:"media_id,omitempty"`
	// ID and CreatedAt are given by the platform; set them to deliver an earlier message once more.
	ID        string    `json:"id,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Posted is a message and what became of its delivery.
type Posted struct {
	Ref
	Message
	Acked bool  `json:"acked"`
	Tries []Try `json:"tries"`
}

// Try is one delivery.
type Try struct {
	URL    string        `json:"url"`
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"`
	Status int           `json:"status"` // 0: none came
	Body   string        `json:"body,omitempty"`
	Err    string        `json:"err,omitempty"`
}

// Say posts a person's text. It blocks until a replica acknowledged it or the last try failed; see [Sim.Push].
func (s *Sim) Say(ctx context.Context, ref Ref, user, text string) (Posted, error) {
	return s.Push(ctx, ref, Message{User: user, Text: text})
}

// Enter posts that a person opened the application.
func (s *Sim) Enter(ctx context.Context, ref Ref, user string) (Posted, error) {
	return s.Push(ctx, ref, Message{User: user, Event: "enter_agent"})
}

// Push posts a message, sealed afresh for every try, until it is answered 200 or the tries are used up. The error says that it was not
// acknowledged; what was tried is in the result either way, and in the ledger.
func (s *Sim) Push(ctx context.Context, ref Ref, m Message) (Posted, error) {
	a, err := s.app(ref)
	if err != nil {
		return Posted{}, err
	}
	m = s.complete(m)
	doc, err := document(ref, m)
	if err != nil {
		return Posted{}, err
	}
	p := Posted{Ref: ref, Message: m}
	if p.Tries, err = s.insist(ctx, a, doc); err != nil {
		err = fmt.Errorf("message %s of %s: %w", m.ID, m.User, err)
	}
	p.Acked = err == nil
	s.ledger.post(p)
	if p.Acked {
		s.repeat(ctx, a, doc)
	}
	return p, err
}

// insist delivers a document until it is answered 200 or the tries are used up.
func (s *Sim) insist(ctx context.Context, a *app, doc string) (tries []Try, err error) {
	for {
		begun := time.Now()
		if now, err := s.app(a.Ref); err == nil { // whose secrets may have changed since the last try
			a = now
		}
		try := s.deliver(ctx, a, doc)
		tries = append(tries, try)
		switch {
		case try.Status == http.StatusOK:
			return tries, nil
		case len(tries) == s.opt.Tries:
			return tries, fmt.Errorf("not acknowledged in %d tries; the last: status %d %s", len(tries), try.Status, try.Err)
		}
		select {
		case <-time.After(time.Until(begun.Add(s.opt.Pause))):
		case <-ctx.Done():
			return tries, ctx.Err()
		}
	}
}

// repeat delivers an acknowledged message again, as often as Options.Again has it, and soon rather than late.
func (s *Sim) repeat(ctx context.Context, a *app, doc string) {
	ctx = context.WithoutCancel(ctx) // a redelivery does not end with the caller's request
	for range rand.IntN(s.opt.Again + 1) {
		x := rand.Float64()
		time.AfterFunc(time.Duration(x*x*x*float64(s.opt.Pause)), func() { s.ledger.again(s.deliver(ctx, a, doc)) })
	}
}

func (s *Sim) complete(m Message) Message {
	if m.Type == "" {
		m.Type = "text"
		if m.Event != "" {
			m.Type = "event"
		}
	}
	if m.ID == "" && m.Type != "event" { // events have none
		m.ID = s.newID()
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt = s.opt.Now()
	}
	return m
}
