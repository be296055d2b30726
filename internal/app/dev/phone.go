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

// Phone is a simulated platform as its members' phones use it.
type Phone interface {
	// Say writes text as user's message and posts it to the client's callback address, as often as the platform does. It blocks until
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

// Device is a phone of the page, with one channel's application open.
type Device struct {
	Name  string // in addresses and in the journal
	Kind  string // of the channel; the page's words go by it
	Most  int    // what a person can write there at once, in bytes
	Opens bool   // an empty text opens the application, and something is heard of it
	Phone Phone  `json:"-"`
}

// Shown is what a phone shows of the client's.
type Shown struct {
	User, Text string
	Way        string // the platform's call by which it came
	Markdown   bool   // the platform draws it
	// Card names something that is rewritten: each Shown of the same name replaces the one before, and Part says that more is to come.
	Card string
	Part bool
}

// sayFor is longer than the platforms try.
const sayFor = 30 * time.Second

// Connect gives the page its phones, before it serves.
func (p *Page) Connect(devices ...Device) { p.devices = append(p.devices, devices...) }

// Shown tells the page that the phone of that name shows something. It does not block.
func (p *Page) Shown(device string, s Shown) {
	p.log.add(entry{
		Kind: "shown", Phone: device, User: s.User, At: time.Now(), Text: s.Text, Way: s.Way, Markdown: s.Markdown, Card: s.Card, Part: s.Part, By: p.answers.of(s.Text),
	})
}

func (p *Page) device(name string) *Device {
	i := slices.IndexFunc(p.devices, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &p.devices[i]
}

// serveSay takes {"user": …, "text": …} and answers once the platform is done with it; the steps come as events.
func (p *Page) serveSay(w http.ResponseWriter, r *http.Request) {
	var in struct{ User, Text string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, "invalid", `the body must be {"user": …, "text": …} of at most 16 KiB`)
		return
	}
	in.Text = strings.TrimSpace(in.Text)
	d := p.device(r.PathValue("phone"))
	switch {
	case d == nil:
		fail(w, http.StatusNotFound, "not_found", "there is no such phone")
		return
	case in.Text == "" && !d.Opens:
		fail(w, http.StatusBadRequest, "invalid", "text: empty, and nothing is heard of opening this application")
		return
	case !slices.ContainsFunc(p.opt.Members, func(m Member) bool { return m.ID == in.User }):
		fail(w, http.StatusBadRequest, "invalid", "user: not a member of this page")
		return
	case len(in.Text) > d.Most || !utf8.ValidString(in.Text):
		fail(w, http.StatusBadRequest, "too_large", fmt.Sprintf("text: at most %d bytes, as on the platform", d.Most))
		return
	}
	select {
	case p.says <- struct{}{}:
		defer func() { <-p.says }()
	default:
		fail(w, http.StatusTooManyRequests, "rate_limited", "too many messages are being posted; wait for them")
		return
	}
	id := p.say(r.Context(), d, in.User, in.Text)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]int64{"id": id})
}

// say posts and keeps what happened. A page that is closed meanwhile does not take the message back.
func (p *Page) say(ctx context.Context, on *Device, user, text string) int64 {
	id := p.log.add(entry{Kind: "said", Phone: on.Name, User: user, At: time.Now(), Text: text})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sayFor)
	defer cancel()
	d, err := on.Phone.Say(ctx, user, text)
	e := entry{
		Kind: "posted", Phone: on.Name, User: user, At: time.Now(), Of: id, Took: milliseconds(d.Took), URL: d.URL, Status: d.Status, Tries: d.Tries,
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
