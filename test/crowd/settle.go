package crowd

import (
	"context"
	"time"
)

// Settle waits until nothing is open any more, and then for as long as quiet, in which nothing more may be shown: a second answer comes
// late. It gives up when ctx ends; what is open then is for the ledger to tell.
func (c *Crowd) Settle(ctx context.Context, quiet time.Duration) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var since time.Time
	shown := -1
	for {
		open, strange := c.Open()
		c.mu.Lock()
		n := len(c.seen)
		c.mu.Unlock()
		// An apology closes a question as far as waiting goes.
		if n != shown || open > strange {
			shown, since = n, time.Now()
		}
		if open <= strange && time.Since(since) >= quiet {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
