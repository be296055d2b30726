package feishu

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// now: a request that must not wait. Replies wait for up to later.
	now   = 0
	later = 4 * time.Second
)

// apiPace keeps below the 50 calls a second and 1000 a minute that an application has for each API (document "frequency control"): any second sees
// 30 + 17 at most, any minute 998. What may be left out takes only what stays above the burst that replies need.
func apiPace(urgent bool) chat.Pace {
	if !urgent {
		return chat.Pace{Burst: 12, Every: 62 * time.Millisecond}
	}
	return chat.Pace{Burst: 30, Every: 62 * time.Millisecond}
}

// chatPace keeps below the 5 messages a second that one person or one group gets (document "reply to a message").
func chatPace() chat.Pace { return chat.Pace{Burst: 2, Every: 340 * time.Millisecond} }

// budget is an application's calls, shared by all replicas. It is safe for concurrent use.
type budget struct {
	prefix string
	limits channel.Limiter
	clock  func() time.Time

	mu     sync.Mutex
	closed map[string]time.Time // by API: until when the platform refuses, as it said itself
}

func newBudget(tenant, app string, d channel.Deps) *budget {
	return &budget{prefix: tenant + "/feishu/qps/" + app + "/", limits: d.Limits, clock: d.Now, closed: make(map[string]time.Time)}
}

// take waits for a place, for most at most; its error is RateLimited and says when there will be one.
func (b *budget) take(ctx context.Context, api string, most time.Duration) error {
	b.mu.Lock()
	shut := b.closed[api].Sub(b.clock())
	b.mu.Unlock()
	if shut > most {
		return over(api, shut)
	}
	return b.wait(ctx, api, apiPace(most > now), most, shut)
}

// takeChat is take for one chat.
func (b *budget) takeChat(ctx context.Context, id string, most time.Duration) error {
	return b.wait(ctx, "chat/"+digest(id), chatPace(), most, 0)
}

func (b *budget) wait(ctx context.Context, what string, p chat.Pace, most, least time.Duration) error {
	wait, ok, err := b.limits.Take(ctx, b.prefix+what, p, most)
	if err != nil { // Redis is away: the platform counts, too
		return nil //nolint:nilerr // a budget that cannot be asked holds nothing up
	}
	if !ok {
		return over(what, wait)
	}
	if wait = max(wait, least); wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return chat.E(chat.KindOf(ctx.Err()), "feishu.budget", ctx.Err())
	}
}

func over(what string, wait time.Duration) error {
	e := chat.E(chat.RateLimited, "feishu.budget", errors.New("the application's calls are spent for now: "+what))
	e.Code, e.RetryAfter = "budget", wait
	return e
}

// refused keeps an API shut for as long as the platform says. A chat's limit shuts nothing: other chats have their own.
func (b *budget) refused(api string, err error) {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || e.Kind != chat.RateLimited || is(err, codeChatPace) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed[api] = b.clock().Add(e.RetryAfter)
}
