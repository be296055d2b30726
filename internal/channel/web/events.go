package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	heartbeat = 15 * time.Second
	// streamFor bounds a stream: coming back proves the cookie again, and moves browsers to replicas that were added.
	streamFor = 15 * time.Minute
	// expectFor bounds how long an unanswered message keeps a stream fast; longer than a turn lasts.
	expectFor = 6 * time.Minute
	// settle is how long a new stream looks often: the turn it left may be running.
	settle = 3 * time.Second
	// readFor bounds one read of the store, writeFor one write to a browser that does not take it.
	readFor  = 2 * time.Second
	writeFor = 20 * time.Second
	// While nothing runs a stream looks seldom; what this replica sees wakes it at once.
	idleGap  = time.Second
	quietGap = 3 * time.Second
	quiet    = 5 * time.Minute
	// feedEvery: while live text flows, the feed is read only at every so many looks.
	feedEvery = 4
)

var feedID = regexp.MustCompile(`^[0-9]{1,19}(-[0-9]{1,19})?$`)

// stream is one open event stream. It is used by one goroutine; only news is written to by others.
type stream struct {
	c     *Channel
	key   chat.ConversationKey
	w     http.ResponseWriter
	rc    *http.ResponseController
	after string // the newest feed id written
	news  chan note

	opened   time.Time
	active   time.Time            // when something happened last
	expected map[string]time.Time // messages without their last part yet
	shown    chat.Live            // the live text seen last
	flowing  bool                 // and whether its turn still ran
	looks    int
	sent     bool // this process put a part into the feed, and it was not read since
	trouble  bool // the store could not be read, and the page was told
	ready    bool // the page has everything that was finished when it came
}

// serveEvents streams a conversation: `part` (a finished part, with its id), `live` (the whole text so far of a message), `ready` (what
// was finished is written), `trouble` (the store does not answer; the stream goes on). Resumed after Last-Event-ID or ?after=.
func (c *Channel) serveEvents(w http.ResponseWriter, r *http.Request) {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		fail(w, chat.Forbidden, "requests from another site's page are refused")
		return
	}
	v, ok := c.admit(w, r)
	if !ok {
		fail(w, chat.Unauthenticated, "sign in first: POST "+c.base+"/login")
		return
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	if after != "" && !feedID.MatchString(after) {
		fail(w, chat.Invalid, "Last-Event-ID: not an id of this stream")
		return
	}
	now := c.now()
	s := &stream{
		c: c, key: c.key(v), w: w, rc: http.NewResponseController(w), after: after, news: make(chan note, 16),
		opened: now, active: now, expected: map[string]time.Time{},
	}
	if err := c.hub.add(s); err != nil {
		fail(w, chat.KindOf(err), "too many open pages; close some or try again later")
		return
	}
	defer c.hub.remove(s)
	defer func() { _ = s.rc.SetWriteDeadline(time.Time{}) }() // the connection may serve another request
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if err := s.write("retry: 1000\n\n"); err == nil && r.Method == http.MethodGet {
		s.run(r.Context())
	}
}

// run looks and writes until the browser, the channel or the stream's time ends.
func (s *stream) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, streamFor)
	defer cancel()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.c.hub.done:
			return
		case <-beat.C:
			if s.write(": \n\n") != nil {
				return
			}
			continue
		case n := <-s.news:
			s.active = s.c.now()
			if n.expect != "" {
				s.expected[n.expect] = s.active.Add(expectFor)
			}
			s.sent = s.sent || n.sent
		case <-next.C:
		}
		if s.look(ctx) != nil {
			return
		}
		next.Reset(s.gap())
	}
}

// gap is how long to wait before the next look.
func (s *stream) gap() time.Duration {
	now := s.c.now()
	for id, until := range s.expected {
		if now.After(until) {
			delete(s.expected, id)
		}
	}
	switch {
	case s.trouble:
		return idleGap
	case len(s.expected) > 0, s.flowing, now.Sub(s.opened) < settle:
		return liveGap
	case now.Sub(s.active) > quiet:
		return quietGap
	default:
		return idleGap
	}
}

// look writes what is new. Its error says that the browser is gone; a store that cannot be read is said to the page, once.
func (s *stream) look(ctx context.Context) error {
	err := s.read(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		s.trouble = false
		return nil
	}
	if gone, ok := err.(writeError); ok { //nolint:errorlint // made below, never wrapped
		return gone
	}
	if s.trouble {
		return nil
	}
	s.trouble, s.ready = true, false
	return s.event("trouble", map[string]string{"code": chat.KindOf(err).String()})
}

// read writes what was finished before a page came first of all; afterwards the live text, and then the feed, so that what was live
// and is now finished is shown in this order.
func (s *stream) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	if !s.ready {
		if err := s.finished(ctx); err != nil {
			return err
		}
	}
	l, running, err := s.c.live.ReadLive(ctx, s.key)
	if err != nil {
		return err
	}
	running = running && !l.Done
	if running && (l.Message != s.shown.Message || l.Rev != s.shown.Rev) {
		s.active = s.c.now()
		if err := s.event("live", map[string]any{"message": ownID(s.key.ID, l.Message), "text": l.Text}); err != nil {
			return err
		}
	}
	s.shown = l
	s.flowing = running
	if s.looks++; running && !s.sent && s.looks%feedEvery != 0 {
		return nil
	}
	if err := s.finished(ctx); err != nil {
		return err
	}
	s.sent = false
	return nil
}

// finished writes the parts that the page has not.
func (s *stream) finished(ctx context.Context) error {
	if s.ready {
		entries, err := s.c.feed.Read(ctx, s.key, s.after)
		if err != nil {
			return err
		}
		return s.parts(entries)
	}
	entries, err := s.c.feed.Read(ctx, s.key, "")
	if err != nil {
		return err
	}
	// A feed that begins anew (it expired, or was lost) counts from the start again: the page's place in the old one means nothing.
	if n := len(entries); n == 0 || above(s.after, entries[n-1].ID) {
		s.after = ""
	}
	for len(entries) > 0 && !above(entries[0].ID, s.after) {
		entries = entries[1:]
	}
	if err := s.parts(entries); err != nil {
		return err
	}
	s.ready = true
	return s.event("ready", struct{}{})
}

func (s *stream) parts(entries []channel.FeedEntry) error {
	for _, e := range entries {
		if err := s.part(e); err != nil {
			return err
		}
	}
	return nil
}

// above compares feed ids; "" is below all.
func above(a, b string) bool {
	x, y := place(a), place(b)
	return slices.Compare(x[:], y[:]) > 0
}

func place(id string) (n [2]int64) {
	if id == "" {
		return [2]int64{-1, -1}
	}
	for i, digits := range strings.SplitN(id, "-", 2) {
		n[i], _ = strconv.ParseInt(digits, 10, 64) // too large: the largest
	}
	return n
}

func (s *stream) part(e channel.FeedEntry) error {
	s.active = s.c.now()
	var p part
	if err := json.Unmarshal(e.Payload, &p); err == nil && p.Part == p.Of {
		delete(s.expected, p.Message)
	}
	if err := s.write(fmt.Sprintf("id: %s\nevent: part\ndata: %s\n\n", e.ID, e.Payload)); err != nil {
		return err
	}
	s.after = e.ID
	return nil
}

// event writes v as one event without an id: only finished parts are resumed after.
func (s *stream) event(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

// writeError says that the browser is gone, or takes nothing.
type writeError struct{ error }

func (s *stream) write(text string) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeFor)) // best effort: a recorder has none
	if _, err := s.w.Write([]byte(text)); err != nil {
		return writeError{err}
	}
	if err := s.rc.Flush(); err != nil {
		return writeError{err}
	}
	return nil
}
