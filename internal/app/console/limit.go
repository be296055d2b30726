package console

import (
	"sync"
	"time"
)

// A name and an address may fail to log in so often in so long.
const (
	maxTries = 5
	window   = time.Minute
	maxKeys  = 10_000 // names and addresses that are remembered
)

// limits counts failed logins. Beyond the limit nobody looks at the password.
type limits struct {
	mu    sync.Mutex
	tries map[string]*tries
}

type tries struct {
	from    time.Time
	n       int
	refused int // beyond the limit, since from
}

func newLimits() *limits { return &limits{tries: map[string]*tries{}} }

// take takes a try of every key before the password is looked at, so that many at once are counted, too. ok: it may go on. burst: it is the first
// that is refused, to be told of once.
func (l *limits) take(now time.Time, keys ...string) (ok, burst bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok = true
	for _, k := range keys {
		t := l.of(k, now)
		if t.n++; t.n > maxTries {
			ok = false
			t.refused++
			burst = burst || t.refused == 1
		}
	}
	return ok, burst
}

// back gives a try back: it was none, the password was right.
func (l *limits) back(keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if t := l.tries[k]; t != nil && t.n > 0 {
			t.n--
		}
	}
}

func (l *limits) of(key string, now time.Time) *tries {
	if t := l.tries[key]; t != nil && now.Sub(t.from) < window {
		return t
	}
	if len(l.tries) >= maxKeys {
		l.forget(now)
	}
	t := &tries{from: now}
	l.tries[key] = t
	return t
}

// forget drops what is over; if that is nothing, all: an attacker with so many addresses is not held by counts of addresses.
func (l *limits) forget(now time.Time) {
	for k, t := range l.tries {
		if now.Sub(t.from) >= window {
			delete(l.tries, k)
		}
	}
	if len(l.tries) >= maxKeys {
		clear(l.tries)
	}
}
