package channeltest

import (
	"context"
	"sync"
	"time"

	"parley/internal/chat"
)

// Inbox is a channel.Inbox in memory.
type Inbox struct {
	mu       sync.Mutex
	seen     map[string]bool
	messages []chat.Message
	fail     error
	hang     bool
}

// Accept implements channel.Inbox.
func (b *Inbox) Accept(ctx context.Context, m chat.Message) error {
	b.mu.Lock()
	fail, hang := b.fail, b.hang
	b.mu.Unlock()
	if hang {
		<-ctx.Done()
		return chat.E(chat.Timeout, "inbox.accept", ctx.Err())
	}
	if fail != nil {
		return fail
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = make(map[string]bool)
	}
	if !b.seen[m.ID] {
		b.seen[m.ID] = true
		b.messages = append(b.messages, m)
	}
	return nil
}

// Messages lists what was accepted, without duplicates.
func (b *Inbox) Messages() []chat.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]chat.Message(nil), b.messages...)
}

// Fail makes Accept fail with err from now on; nil heals it.
func (b *Inbox) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// Hang makes Accept block until its context ends.
func (b *Inbox) Hang() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hang = true
}

// Cache is a channel's TokenCache, Locker, Leader, Limiter, Memo and Relay in memory. Give one to several channels and they are replicas.
type Cache struct {
	mu     sync.Mutex
	tokens map[string]entry
	locks  map[string]entry
	paces  map[string]time.Time
	served map[string]chan asked
	fail   error
}

type entry struct {
	value chat.Secret
	until time.Time
}

// NewCache makes an empty one.
func NewCache() *Cache {
	return &Cache{tokens: make(map[string]entry), locks: make(map[string]entry), paces: make(map[string]time.Time), served: make(map[string]chan asked)}
}

// Fail makes every call fail with err from now on, as when Redis is away; nil heals it.
func (c *Cache) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

// Token implements channel.TokenCache.
func (c *Cache) Token(_ context.Context, key string) (chat.Secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.tokens[key]; time.Now().Before(e.until) {
		return e.value, c.fail
	}
	return chat.Secret{}, c.fail
}

// SetToken implements channel.TokenCache.
func (c *Cache) SetToken(_ context.Context, key string, token chat.Secret, ttl time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail == nil {
		c.tokens[key] = entry{token, time.Now().Add(ttl)}
	}
	return c.fail
}

// DropToken implements channel.TokenCache.
func (c *Cache) DropToken(_ context.Context, key string, old chat.Secret) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail == nil && c.tokens[key].value == old {
		delete(c.tokens, key)
	}
	return c.fail
}

// TryLock implements channel.Locker.
func (c *Cache) TryLock(_ context.Context, key string, ttl time.Duration) (unlock func(), ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return nil, false, c.fail
	}
	if time.Now().Before(c.locks[key].until) {
		return nil, false, nil
	}
	mine := time.Now().Add(ttl)
	c.locks[key] = entry{until: mine}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.locks[key].until.Equal(mine) {
			delete(c.locks, key)
		}
	}, true, nil
}

// TTLs lists the keys that hold a token, with the time they have left.
func (c *Cache) TTLs() map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := make(map[string]time.Duration)
	for key, e := range c.tokens {
		left[key] = time.Until(e.until)
	}
	return left
}

// Lead implements channel.Leader.
func (c *Cache) Lead(ctx context.Context, key string, f func(context.Context)) {
	for ctx.Err() == nil {
		unlock, ok, _ := c.TryLock(ctx, "lead:"+key, time.Hour)
		if ok {
			f(ctx)
			unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Take implements channel.Limiter.
func (c *Cache) Take(_ context.Context, key string, p chat.Pace, most time.Duration) (wait time.Duration, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil || p.Every <= 0 {
		return 0, c.fail == nil, c.fail
	}
	now := time.Now()
	whole := c.paces[key]
	if whole.Before(now) {
		whole = now
	}
	if wait = max(0, whole.Add(-time.Duration(p.Burst-1)*p.Every).Sub(now)); wait > most {
		return wait, false, nil
	}
	c.paces[key] = whole.Add(p.Every)
	return wait, true, nil
}

// Recall implements channel.Memo.
func (c *Cache) Recall(ctx context.Context, key string) (string, error) {
	v, err := c.Token(ctx, "memo:"+key)
	return v.Reveal(), err
}

// Remember implements channel.Memo.
func (c *Cache) Remember(ctx context.Context, key, value string, ttl time.Duration) error {
	return c.SetToken(ctx, "memo:"+key, chat.NewSecret(value), ttl)
}

// RememberFirst implements channel.Memo.
func (c *Cache) RememberFirst(_ context.Context, key, value string, ttl time.Duration) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.tokens["memo:"+key]; time.Now().Before(e.until) {
		return e.value.Reveal(), c.fail
	}
	if c.fail == nil {
		c.tokens["memo:"+key] = entry{chat.NewSecret(value), time.Now().Add(ttl)}
	}
	return value, c.fail
}
