package channel

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	lockFor   = 8 * time.Second  // longer than fetching takes, so that only a dead replica's lock runs out
	obtainFor = 15 * time.Second // one dead replica's lock, and then fetching ourselves
	askAgain  = 50 * time.Millisecond
	keepLocal = 30 * time.Second // saves most reads of the shared cache
	marginMax = 5 * time.Minute  // a token is not used in the last minutes of its life
)

// FetchToken asks a platform for an access token and says how long it lives. It blocks for 5 s at most; its errors are *chat.Error and hold no secret.
type FetchToken func(context.Context) (token chat.Secret, life time.Duration, err error)

// AccessToken hands out one account's access token. All replicas share it through Deps.Tokens; a lock makes one of them fetch it, and within a
// process one flight serves all callers. A failure to fetch stands for a while, so that a wrong secret is not tried with every message. It is safe
// for concurrent use.
type AccessToken struct {
	key   string
	op    string
	cache TokenCache
	locks Locker
	fetch FetchToken
	log   *slog.Logger
	now   func() time.Time

	mu       sync.Mutex
	token    chat.Secret
	until    time.Time // when token must be read from the cache again
	failure  error     // of the last flight, kept until failedTo: a wrong secret must not be tried with every message
	failedTo time.Time
	running  *flight
}

// flight is one attempt that any number of callers wait for.
type flight struct {
	refused chat.Secret // the token to be replaced; zero: any will do
	done    chan struct{}
	token   chat.Secret
	err     error
}

// NewAccessToken makes the token of one account. key tells accounts apart over all tenants: it begins with the tenant's name and a slash, so that one
// pattern of keys gives a tenant's Redis user its tokens and nobody else's, then the platform's word and a slash, and it ends with the
// credential's fingerprint, so that a changed secret does not use, and seem to work with, the old one's token. Of d it uses Tokens, Locks, Log and Now.
func NewAccessToken(platform, key string, d Deps, fetch FetchToken) *AccessToken {
	return &AccessToken{key: key, op: platform + ".token", cache: d.Tokens, locks: d.Locks, fetch: fetch, log: d.Log, now: d.Now}
}

// Get returns a token that is believed valid. It blocks until ctx ends or for 15 s at most; errors are *chat.Error.
func (t *AccessToken) Get(ctx context.Context) (chat.Secret, error) {
	return t.obtain(ctx, chat.Secret{})
}

// Replace returns a token in place of one that the platform refused. It fetches one only if no other replica has yet.
func (t *AccessToken) Replace(ctx context.Context, refused chat.Secret) (chat.Secret, error) {
	return t.obtain(ctx, refused)
}

func (t *AccessToken) obtain(ctx context.Context, refused chat.Secret) (chat.Secret, error) {
	for {
		token, f, err := t.join(ctx, refused)
		if f == nil {
			return token, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return chat.Secret{}, chat.E(chat.KindOf(ctx.Err()), t.op, ctx.Err())
		}
		// A flight that began before the refusal may have brought the very token that was refused; then another is needed.
		if f.err != nil || f.token != refused || f.refused == refused {
			return f.token, f.err
		}
	}
}

// join returns the token or the failure that this process knows of, or else the flight to wait for.
func (t *AccessToken) join(ctx context.Context, refused chat.Secret) (chat.Secret, *flight, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	switch {
	case now.Before(t.until) && t.token != refused:
		return t.token, nil, nil
	case now.Before(t.failedTo):
		return chat.Secret{}, nil, t.failure
	}
	if t.running == nil {
		f := &flight{refused: refused, done: make(chan struct{})}
		t.running = f
		go t.fly(context.WithoutCancel(ctx), f) // one caller's end must not fail the others
	}
	return chat.Secret{}, t.running, nil
}

func (t *AccessToken) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, obtainFor)
	defer cancel()
	var life time.Duration
	f.token, life, f.err = t.shared(ctx, f.refused)

	t.mu.Lock()
	defer t.mu.Unlock()
	t.running = nil
	if f.err != nil {
		t.failure, t.failedTo = f.err, t.now().Add(holdFor(f.err))
	} else {
		t.token, t.until = f.token, t.now().Add(life)
	}
	close(f.done)
}

// holdFor is how long a failure stands before the platform is asked again.
func holdFor(err error) time.Duration {
	if e, ok := errors.AsType[*chat.Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	if chat.KindOf(err).Retryable() {
		return time.Second
	}
	return 30 * time.Second
}

// shared gets the token from the cache, or fetches it under the lock, and says for how long it need not be asked again. Without cache
// or lock (Redis is away) it fetches all the same: a token that was got is never lost.
func (t *AccessToken) shared(ctx context.Context, refused chat.Secret) (chat.Secret, time.Duration, error) {
	if !refused.IsZero() {
		t.complain("drop", t.cache.DropToken(ctx, t.key, refused))
	}
	for {
		if token, ok := t.cached(ctx, refused); ok {
			return token, keepLocal, nil
		}
		unlock, ok, err := t.locks.TryLock(ctx, t.key, lockFor)
		t.complain("lock", err)
		if err != nil {
			return t.fetchAndShare(ctx)
		}
		if ok {
			defer unlock()
			if token, ok := t.cached(ctx, refused); ok { // fetched by the lock's former holder
				return token, keepLocal, nil
			}
			return t.fetchAndShare(ctx)
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return chat.Secret{}, 0, chat.E(chat.Timeout, t.op, errors.New("another replica holds the lock and brings no token"))
		}
	}
}

func (t *AccessToken) cached(ctx context.Context, refused chat.Secret) (chat.Secret, bool) {
	token, err := t.cache.Token(ctx, t.key)
	t.complain("read", err)
	return token, err == nil && !token.IsZero() && token != refused
}

func (t *AccessToken) fetchAndShare(ctx context.Context) (chat.Secret, time.Duration, error) {
	token, life, err := t.fetch(ctx)
	if err != nil {
		return chat.Secret{}, 0, err
	}
	life -= min(marginMax, life/10)
	if life > 0 {
		t.complain("write", t.cache.SetToken(ctx, t.key, token, life))
	}
	return token, min(life, keepLocal), nil
}

// complain logs a failure of the shared cache, which costs calls for tokens and nothing else.
func (t *AccessToken) complain(step string, err error) {
	if err != nil {
		t.log.Warn("the shared cache of access tokens failed", "op", t.op, "step", step, "err", err)
	}
}
