package rpc

import (
	"sync"
	"time"

	"parley/internal/chat"
)

const defaultDeltaGap = 20 * time.Millisecond

// eventWriter sends a completion's events and gathers deltas: the first goes at once, later ones at most once per gap. Their texts joined
// are the text that the handler emitted, to the last byte.
type eventWriter struct {
	out    sender
	deltas bool
	gap    time.Duration

	mu      sync.Mutex // out takes one caller at a time: the handler or the timer
	pending string
	sent    time.Time // when the last delta went
	timer   *time.Timer
	waiting bool // the timer will send what is pending
	done    bool // Finished went, or the call is over
	err     error
}

func newEventWriter(out sender, deltas bool, gap time.Duration) *eventWriter {
	if gap <= 0 {
		gap = defaultDeltaGap
	}
	return &eventWriter{out: out, deltas: deltas, gap: gap}
}

// emit is what the handler calls. Its error is the stream's: the client went away.
func (w *eventWriter) emit(e chat.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return w.err
	case e.Kind == chat.Delta:
		return w.delta(e.Text)
	case e.Kind == chat.Started:
		w.pending = "" // a new start voids the text before it
	case e.Kind == chat.Finished:
		w.flushLocked()
		w.done = true
	}
	w.send(e)
	return w.err
}

func (w *eventWriter) delta(text string) error {
	if !w.deltas || text == "" {
		return nil
	}
	w.pending += text
	if w.waiting {
		return nil
	}
	rest := w.gap - time.Since(w.sent)
	if w.sent.IsZero() || rest <= 0 {
		w.flushLocked()
		return w.err
	}
	w.waiting = true
	if w.timer == nil {
		w.timer = time.AfterFunc(rest, w.tick)
	} else {
		w.timer.Reset(rest)
	}
	return nil
}

func (w *eventWriter) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	if !w.done {
		w.flushLocked()
	}
}

func (w *eventWriter) flushLocked() {
	if w.pending == "" {
		return
	}
	text := w.pending
	w.pending = ""
	w.sent = time.Now()
	w.send(chat.Event{Kind: chat.Delta, Text: text})
}

func (w *eventWriter) send(e chat.Event) {
	if w.err != nil {
		return
	}
	m, err := encodeEvent(e)
	if err == nil {
		if err = w.out.SendMsg(m); err != nil {
			err = chat.E(chat.Canceled, "rpc.send", err) // the other side went away
		}
	}
	w.err = err
}

// flush sends what is pending; after a failure the person keeps what was written until then.
func (w *eventWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushLocked()
}

func (w *eventWriter) finished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// stop ends the writer: when the handler has returned, nothing may be sent on its stream any more.
func (w *eventWriter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.pending = ""
	if w.timer != nil {
		w.timer.Stop()
	}
}
