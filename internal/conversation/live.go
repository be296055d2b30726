package conversation

import (
	"context"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
)

// live collects a turn's partial text and writes the newest state to the live text, at most once a gap. event is called by the
// completer's goroutine; the writing happens in one of its own, so that a slow store never holds up the stream.
type live struct {
	s   *Service
	key chat.ConversationKey
	id  string
	gap time.Duration

	mu   sync.Mutex
	buf  strings.Builder
	note string // shown as long as there is no text
	wake chan struct{}

	ended   chan struct{}
	written chan struct{} // closed when nothing more is written; nil: nothing ever is
}

func newLive(s *Service, gap time.Duration, c Claim) *live {
	l := &live{s: s, key: c.Key, id: c.Message.ID, gap: gap, ended: make(chan struct{})}
	if gap > 0 && s.Live != nil {
		l.wake, l.written = make(chan struct{}, 1), make(chan struct{})
		s.wg.Go(func() {
			defer close(l.written)
			l.write()
		})
	}
	return l
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
	for rev := int64(1); ; rev++ {
		select {
		case <-l.wake:
		case <-l.ended:
		}
		done := l.closed()
		if done && rev == 1 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		// Without Done, readers on other replicas would go on looking for more text and not for the reply.
		_, err := l.s.Live.Write(ctx, l.key, chat.Live{Message: l.id, Rev: rev, Text: l.shown(), Done: done})
		cancel()
		if err != nil {
			l.s.metrics.storeErrors.WithLabelValues("live").Inc()
		}
		if done {
			return
		}
		select {
		case <-time.After(l.gap):
		case <-l.ended: // at once: the reply is on its way, and must not be followed by what it replaces
		}
	}
}

func (l *live) closed() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// settle waits until nothing more is written: a text that comes late must not outlive what comes next. It follows close, and is bounded by the
// writer's own timeout.
func (l *live) settle() {
	if l.written != nil {
		<-l.written
	}
}

// close ends the writing; no event may follow.
func (l *live) close() { close(l.ended) }
