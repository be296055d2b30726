package dingtalk

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// budgetPace keeps below the 20 calls a second that an application has for each API (document "call frequency limits"): any second sees
// 3 + 17 at most.
func budgetPace() chat.Pace { return chat.Pace{Burst: 3, Every: 60 * time.Millisecond} }

const (
	// now: an update that must not wait. Replies wait for up to later; those that began to wait go before every update.
	now   = 0
	later = 4 * time.Second
	taken = -1 // the caller has its place
)

// budget is an application's calls a second, shared by all replicas. It is safe for concurrent use.
type budget struct {
	key    string
	limits channel.Limiter
	clock  func() time.Time

	mu     sync.Mutex
	closed map[string]time.Time // by API: until when the platform refuses, as it said itself
}

func newBudget(tenant, app string, d channel.Deps) *budget {
	return &budget{key: tenant + "/dingtalk/qps/" + app, limits: d.Limits, clock: d.Now, closed: make(map[string]time.Time)}
}

// take waits for a place, for most at most; its error is RateLimited and says when there will be one.
func (b *budget) take(ctx context.Context, api string, most time.Duration) error {
	op := opOf(api)
	b.mu.Lock()
	shut := b.closed[api].Sub(b.clock())
	b.mu.Unlock()
	if shut > most {
		return over(op, shut)
	}
	wait, ok, err := b.limits.Take(ctx, b.key+api, budgetPace(), most)
	if err != nil { // Redis is away: the platform counts, too
		return nil //nolint:nilerr // a budget that cannot be asked holds nothing up
	}
	if !ok {
		return over(op, wait)
	}
	if wait = max(wait, shut); wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return chat.E(chat.KindOf(ctx.Err()), op, ctx.Err())
	}
}

func over(op string, wait time.Duration) error {
	e := chat.E(chat.RateLimited, op, errors.New("the application's calls of this second are spent"))
	e.Code, e.RetryAfter = "budget", wait
	return e
}

// refused keeps an API shut for as long as the platform says.
func (b *budget) refused(api string, err error) {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || e.Kind != chat.RateLimited {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed[api] = b.clock().Add(e.RetryAfter)
}
