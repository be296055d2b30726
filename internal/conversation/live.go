package conversation

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// showCardAfter is how long somebody waits before a streamer says so: it makes something new on the platform for it.
	showCardAfter = 3 * time.Second
	// maxShowGap is the longest time between two updates of a streamer that fails.
	maxShowGap = 5 * time.Second
	// showFor bounds one update, and lastShow that which is under way when the turn ends: the reply waits for it, and would be overtaken otherwise.
	showFor  = 10 * time.Second
	lastShow = 2 * time.Second
	// void is shown in place of what a streamer showed and is not true any more, until there is text again.
	void = "…"
)

// live collects a turn's partial text and shows the newest state at most once a gap: by the outlet, if it is a streamer, or else in the live text,
// for those who come and read it. event is called by the completer's goroutine; all else happens in one of its own, so that neither a slow store
// nor a slow platform holds up the stream.
type live struct {
	s        *Service
	m        *chat.Message
	gap      time.Duration
	streamer Streamer // nil: none

	mu   sync.Mutex
	buf  strings.Builder
	note string // shown as long as there is no text
	wake chan struct{}

	over    context.Context
	end     context.CancelFunc
	written chan struct{} // closed when nothing more is shown; nil: nothing ever is
}

func newLive(s *Service, outlet Outlet, c *Claim) *live {
	l := &live{s: s, m: &c.Message.Message, gap: outlet.Live(), end: func() {}}
	l.streamer, _ = outlet.(Streamer)
	if l.gap > 0 && (s.Live != nil || l.streamer != nil) {
		l.over, l.end = context.WithCancel(context.Background())
		l.wake, l.written = make(chan struct{}, 1), make(chan struct{})
		s.wg.Go(func() {
			defer close(l.written)
			l.write()
		})
	}
	return l
}

// patience is how long somebody waits before a notice says so.
func (l *live) patience() time.Duration {
	if l.streamer != nil {
		return showCardAfter
	}
	return showAfter
}

// event takes an event of the completion; a new start voids what was shown, and whoever is being answered is in no queue any more.
func (l *live) event(e chat.Event) {
	changed := false
	l.mu.Lock()
	switch e.Kind {
	case chat.Started:
		changed = l.buf.Len() > 0 || l.note != ""
		l.buf.Reset()
		l.note = ""
	case chat.Delta:
		changed = true
		l.buf.WriteString(e.Text)
	default:
	}
	l.mu.Unlock()
	if changed {
		l.changed()
	}
}

// notice shows a line of Parley's own until somebody begins to answer. Said again, it reaches those who have begun to read meanwhile.
func (l *live) notice(line string) {
	l.mu.Lock()
	l.note = line
	l.mu.Unlock()
	l.changed()
}

func (l *live) changed() {
	if l.wake == nil {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *live) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// shown is the text, or the notice in its place.
func (l *live) shown() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() == 0 {
		return l.note
	}
	return l.buf.String()
}

func (l *live) write() {
	rhythm := rhythm{least: l.gap, gap: l.gap}
	shown := false
	for rev := int64(1); ; rev++ {
		select {
		case <-l.wake:
		case <-l.over.Done():
		}
		done := l.over.Err() != nil
		if done && rev == 1 {
			return
		}
		text := l.shown()
		// Without Done, readers on other replicas would go on looking for more text and not for the reply.
		l.store(chat.Live{Message: l.m.ID, Rev: rev, Text: text, Done: done})
		if done {
			return
		}
		pause := rhythm.gap
		if text == "" && shown {
			text = void
		}
		if l.streamer != nil && text != "" && l.over.Err() == nil {
			shown = true // perhaps, if it failed
			err := l.show(text)
			if err != nil {
				l.changed() // what was not shown is still to be
			}
			pause = rhythm.after(err)
		}
		select {
		case <-time.After(pause):
		case <-l.over.Done(): // at once: the reply is on its way, and must not be followed by what it replaces
		}
	}
}

// store writes the live text. Nobody comes for that of a streamer.
func (l *live) store(text chat.Live) {
	if l.s.Live == nil || l.streamer != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := l.s.Live.Write(ctx, l.m.Conversation, text); err != nil {
		l.s.metrics.storeErrors.WithLabelValues("live").Inc()
	}
}

func (l *live) show(text string) error {
	ctx, cancel := linger(l.over, lastShow)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, showFor)
	defer stop()
	err := l.streamer.Show(ctx, *l.m, text)
	result := "shown"
	if err != nil {
		result = chat.KindOf(err).String()
	}
	l.s.metrics.channel(l.s.metrics.shows, l.m.Conversation.Tenant, l.m.Conversation.Channel, result).Inc()
	return err
}

// rhythm is how often a streamer shows: twice as seldom after each failure, and twice as often again after each success.
type rhythm struct{ least, gap time.Duration }

// after is the pause that follows an update. The final text does not wait for it.
func (r *rhythm) after(err error) time.Duration {
	if err == nil {
		r.gap = max(r.least, r.gap/2)
		return r.gap
	}
	r.gap = max(r.least, min(2*r.gap, maxShowGap))
	pause := r.gap
	if e, ok := errors.AsType[*chat.Error](err); ok {
		pause = max(pause, e.RetryAfter)
	}
	return pause
}

// settle waits until nothing more is shown: a text that comes late must not outlive what comes next. It follows close, and is bounded by the
// writer's own timeouts.
func (l *live) settle() {
	if l.written != nil {
		<-l.written
	}
}

// close ends the showing; no event may follow. The reply of a streamer may replace what was shown once that has settled.
func (l *live) close() {
	l.end()
	if l.streamer != nil {
		l.settle()
	}
}
