package fleet

import (
	"container/list"
	"fmt"
	"time"

	"parley/internal/chat"
)

// counter counts the calls of keys against their limits and lets waiting ones in, first come first served. Whoever uses it holds the lock
// that guards it.
type counter struct {
	lines  map[string]*line
	queued int
	// closed is how long nobody may be let in for a key; later has the key served again after that time.
	closed  func(key string) time.Duration
	later   func(key string, after time.Duration)
	metrics *metrics
}

// line is the calls of one key.
type line struct {
	limit   int // the newest asker's
	slots   map[*slot]struct{}
	waiting list.List // of *slot
	tries   int       // of the waiting, those that only wait for the key to open
	timed   bool      // it is served again by later
}

// slot is one call, waiting or running.
type slot struct {
	key     string
	try     bool
	place   *list.Element // among the waiting; nil: it runs or was refused
	granted chan struct{} // closed when the call may be made
	lost    chan struct{} // closed when it is refused, or not counted here any more; why says which
	why     error
}

func newCounter(closed func(string) time.Duration, later func(string, time.Duration), m *metrics) *counter {
	return &counter{lines: map[string]*line{}, closed: closed, later: later, metrics: m}
}

// ask lines a call up. free must be called with what it gives.
func (c *counter) ask(a KeyAsk) *slot {
	s := &slot{key: a.Key, try: a.Try, granted: make(chan struct{}), lost: make(chan struct{})}
	l := c.lines[a.Key]
	if l == nil {
		l = &line{slots: map[*slot]struct{}{}, limit: a.Limit}
		c.lines[a.Key] = l
	}
	if a.Running { // an old call; its limit may be, too
		c.let(l, s)
		return s
	}
	l.limit = a.Limit
	s.place = l.waiting.PushBack(s)
	c.queued++
	c.metrics.waiting.Inc()
	if s.try {
		l.tries++
	}
	c.serve(a.Key)
	if s.place != nil && c.queued > mostWaiting {
		c.dequeue(l, s)
		s.lose(errBusy(fmt.Errorf("%d calls wait for keys at the server that keeps this one", c.queued)))
	}
	return s
}

// free ends a call, or its waiting, and lets the next one in. It may be called for a slot that was lost.
func (c *counter) free(s *slot) {
	l := c.lines[s.key]
	if l == nil {
		return
	}
	c.dequeue(l, s)
	if _, ok := l.slots[s]; ok {
		delete(l.slots, s)
		c.metrics.holds.Dec()
	}
	c.serve(s.key)
	if len(l.slots) == 0 && l.waiting.Len() == 0 {
		delete(c.lines, s.key)
	}
}

// serve lets in who may be let in, and refuses who would not wait for more.
func (c *counter) serve(key string) {
	l := c.lines[key]
	if l == nil || l.waiting.Len() == 0 {
		return
	}
	if d := c.closed(key); d > 0 {
		if !l.timed {
			l.timed = true
			c.later(key, d)
		}
		return
	}
	for len(l.slots) < l.limit && l.waiting.Len() > 0 {
		s := l.waiting.Front().Value.(*slot)
		c.dequeue(l, s)
		c.let(l, s)
	}
	for e := l.waiting.Back(); e != nil && l.tries > 0; { // mostly it is the last who came now
		s := e.Value.(*slot)
		if e = e.Prev(); s.try {
			c.dequeue(l, s)
			s.lose(errBusy(fmt.Errorf("%d calls run with the key, %d may", len(l.slots), l.limit)))
		}
	}
}

// reopen serves a key whose time has come.
func (c *counter) reopen(key string) {
	if l := c.lines[key]; l != nil {
		l.timed = false
		c.serve(key)
	}
}

// lose ends all calls, and all waiting, of the keys that are meant.
func (c *counter) lose(meant func(key string) bool, why error) {
	for key, l := range c.lines {
		if !meant(key) {
			continue
		}
		for s := range l.slots {
			c.metrics.holds.Dec()
			s.lose(why)
		}
		for l.waiting.Len() > 0 {
			s := l.waiting.Front().Value.(*slot)
			c.dequeue(l, s)
			s.lose(why)
		}
		delete(c.lines, key)
	}
}

func (c *counter) let(l *line, s *slot) {
	l.slots[s] = struct{}{}
	c.metrics.holds.Inc()
	close(s.granted)
}

func (c *counter) dequeue(l *line, s *slot) {
	if s.place == nil {
		return
	}
	l.waiting.Remove(s.place)
	s.place = nil
	c.queued--
	c.metrics.waiting.Dec()
	if s.try {
		l.tries--
	}
}

func (s *slot) lose(why error) {
	s.why = why
	close(s.lost)
}

func errBusy(why error) error {
	return &chat.Error{Kind: chat.Overloaded, Op: "fleet.hold", Code: chat.CodeKeysBusy, Err: why}
}
