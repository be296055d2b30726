package openai

import (
	"context"
	"sync"
	"time"

	"parley/internal/chat"
)

// maxPerMinute bounds per_minute: more is no limit.
const maxPerMinute = 1_000_000

// batches is how many parts a minute's requests are taken in at most: a key of 6,000 a minute asks the store once in a hundred requests.
const batches = 60

// lease are requests that a key may still make here, out of the budget that all replicas share.
type lease struct {
	mu    sync.Mutex
	left  int
	until time.Time // what is not used by then is not added up to more than the limit
}

// use takes one of them.
func (l *lease) use() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left <= 0 || !time.Now().Before(l.until) {
		return false
	}
	l.left--
	return true
}

func (l *lease) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !now.Before(l.until) {
		l.left = 0
	}
	l.left, l.until = l.left+n, now.Add(time.Minute/batches)
}

// allow takes one request out of a key's budget, n a minute with as many at once; ok is false, and wait says when there is one, if it is used up.
func (c *Channel) allow(ctx context.Context, k *key, n int) (wait time.Duration, ok bool, err error) {
	if n <= 0 || k.lease.use() {
		return 0, true, nil
	}
	batch := max(1, n/batches)
	burst := n / batch
	pace := chat.Pace{Burst: burst, Every: time.Minute / time.Duration(burst)}
	wait, ok, err = c.limits.Take(ctx, c.tenant+"/"+k.user, pace, 0)
	if ok && err == nil {
		k.lease.add(batch - 1)
	}
	return wait, ok, err
}
