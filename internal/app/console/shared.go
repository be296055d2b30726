package console

import (
	"sync"
	"time"
)

// shared asks once for all who want to know at the same time, and remembers the answer for a moment: pages ask every few seconds, many at once.
type shared[T any] struct {
	mu   sync.Mutex
	at   time.Time
	last T
}

// get gives an answer that is no older than fresh. ask runs while others wait for it.
func (s *shared[T]) get(now time.Time, fresh time.Duration, ask func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.at) >= fresh {
		s.last, s.at = ask(), time.Now()
	}
	return s.last
}

// forget has the next who asks ask anew.
func (s *shared[T]) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
}
