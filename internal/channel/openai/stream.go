package openai

import (
	"context"
	"net/http"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// firstBeat is how long a stream waits for its first text before the head goes all the same: until then an error can have its true status.
	firstBeat = 10 * time.Second
	// beatEvery is the longest silence of a stream; whoever stands between may end what says nothing for half a minute.
	beatEvery = 15 * time.Second
	// writeWithin bounds one write to a caller that does not read.
	writeWithin = 30 * time.Second
)

// stream is an answer as server-sent events. A caller that reads no more, or has gone, ends the completion.
type stream struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	chunks *chunks
	leave  context.CancelFunc
	first  func()

	mu      sync.Mutex
	start   chat.Start
	opened  bool // the head has gone
	said    bool // text has
	ended   bool
	last    time.Time // write
	limited time.Time // until when writes have time
	beat    *time.Timer
}

func newStream(w http.ResponseWriter, h head, usage bool, leave context.CancelFunc, first func()) *stream {
	s := &stream{w: w, rc: http.NewResponseController(w), chunks: newChunks(h, usage), leave: leave, first: first, last: time.Now()}
	s.beat = time.AfterFunc(firstBeat, s.tick)
	return s
}

func (s *stream) event(e chat.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case chat.Started:
		s.start = e.Start
	case chat.Delta:
		s.text(e.Text)
	case chat.Finished:
		if !s.said { // it came without pieces
			s.text(e.Reply.Text)
		}
		s.ended = true
		s.write(s.chunks.end(e.Reply))
	default:
	}
}

func (s *stream) text(text string) {
	if text == "" {
		return
	}
	if !s.said {
		s.first()
	}
	b := s.chunks.piece(text, !s.said)
	s.said = true
	s.write(b)
}

// write sends bytes at once, and the head before the first.
func (s *stream) write(b []byte) {
	now := time.Now()
	if !s.opened {
		s.opened = true
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would hold events back
		h.Set("X-Content-Type-Options", "nosniff")
		if s.start.Model != "" {
			tellModel(h, s.start)
		}
		s.w.WriteHeader(http.StatusOK)
	}
	if s.limited.Sub(now) < writeWithin/2 { // not for each piece
		s.limited = now.Add(writeWithin)
		_ = s.rc.SetWriteDeadline(s.limited) // tests' recorders cannot
	}
	s.last = now
	_, err := s.w.Write(b)
	if err == nil {
		err = s.rc.Flush()
	}
	if err != nil {
		s.leave()
	}
}

// tick says something in a silence.
func (s *stream) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	limit := beatEvery
	if !s.opened {
		limit = firstBeat
	}
	if time.Since(s.last) >= limit {
		s.write([]byte(": waiting\n\n"))
	}
	s.beat.Reset(max(time.Millisecond, beatEvery-time.Since(s.last)))
}

func (s *stream) fail(f *failure) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if !s.opened {
		f.write(s.w)
		return f.status
	}
	s.write(s.chunks.fail(f))
	return broken
}

// close waits for a heartbeat that is being written, and ends them.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.beat.Stop()
	if !s.limited.IsZero() {
		_ = s.rc.SetWriteDeadline(time.Time{}) // the connection may serve another request
	}
}
