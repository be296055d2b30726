package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Phone is the simulated platform as its members' phones use it.
type Phone interface {
	// Say seals text as user's message and posts it to the client's callback address, as often as the platform does. It blocks until
	// the client acknowledged it or the platform gave up, which is an error. An empty text opens the application.
	Say(ctx context.Context, user, text string) (Delivery, error)
}

// Delivery is what became of a posted message.
type Delivery struct {
	URL    string // without the query, which holds the signature
	Status int    // of the last try; 0: no answer
	Tries  int
	Took   time.Duration // of the last try
}

// maxText is what a person can write in WeCom at once, in bytes.
const maxText = 2048

// sayFor is longer than the platform tries.
const sayFor = 30 * time.Second

// Connect gives the page its phone, before it serves.
func (p *Page) Connect(phone Phone) { p.phone = phone }

// Shown tells the page that the platform showed a message to a person. It does not block.
func (p *Page) Shown(user, text string) {
	p.log.add(entry{Kind: "shown", User: user, At: time.Now(), Text: text, By: p.answers.of(text)})
}

// serveSay takes {"user": …, "text": …} and answers once the platform is done with it; the steps come as events.
func (p *Page) serveSay(w http.ResponseWriter, r *http.Request) {
	var in struct{ User, Text string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, "invalid", `the body must be {"user": …, "text": …} of at most 16 KiB`)
		return
	}
	in.Text = strings.TrimSpace(in.Text)
	switch {
	case p.phone == nil:
		fail(w, http.StatusServiceUnavailable, "unavailable", "no phone is connected")
		return
	case !slices.ContainsFunc(p.opt.Members, func(m Member) bool { return m.ID == in.User }):
		fail(w, http.StatusBadRequest, "invalid", "user: not a member of this page")
		return
	case len(in.Text) > maxText || !utf8.ValidString(in.Text):
		fail(w, http.StatusBadRequest, "too_large", fmt.Sprintf("text: at most %d bytes, as in WeCom", maxText))
		return
	}
	select {
	case p.says <- struct{}{}:
		defer func() { <-p.says }()
	default:
		fail(w, http.StatusTooManyRequests, "rate_limited", "too many messages are being posted; wait for them")
		return
	}
	id := p.say(r.Context(), in.User, in.Text)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]int64{"id": id})
}

// say posts and keeps what happened. A page that is closed meanwhile does not take the message back.
func (p *Page) say(ctx context.Context, user, text string) int64 {
	id := p.log.add(entry{Kind: "said", User: user, At: time.Now(), Text: text})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sayFor)
	defer cancel()
	d, err := p.phone.Say(ctx, user, text)
	e := entry{
		Kind: "posted", User: user, At: time.Now(), Of: id, Took: milliseconds(d.Took), URL: d.URL, Status: d.Status, Tries: d.Tries,
	}
	if err != nil {
		e.Error = err.Error()
	}
	p.log.add(e)
	return id
}

// serveEvents streams the journal's entries by kind, resumed after Last-Event-ID; `anew` comes before a first one.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request) {
	last := p.log.place(r.Header.Get("Last-Event-ID"))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // the server may have one for ordinary answers
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	hello := "retry: 1000\n\n"
	if last == 0 {
		hello += "event: anew\ndata: {}\n\n" // forget what you have
	}
	if _, err := fmt.Fprint(w, hello); err != nil {
		return
	}
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	for {
		entries, more := p.log.after(last)
		for _, e := range entries {
			data, err := json.Marshal(e)
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "id: %s.%d\nevent: %s\ndata: %s\n\n", p.log.epoch, e.ID, e.Kind, data); err != nil {
				return
			}
			last = e.ID
		}
		if rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-p.done:
			return
		case <-more:
		case <-beat.C:
			if _, err := fmt.Fprint(w, ": \n\n"); err != nil {
				return
			}
		}
	}
}
