package wecom

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	lockFor   = 8 * time.Second  // longer than fetching takes, so that only a dead replica's lock runs out
	obtainFor = 15 * time.Second // one dead replica's lock, and then fetching ourselves
	askAgain  = 50 * time.Millisecond
	keepLocal = 30 * time.Second // saves most reads of the shared cache
	marginMax = 5 * time.Minute  // a token is not used in the last minutes of its life
)

// tokens hands out one account's access token. All replicas share it through the cache; the lock makes one of them fetch it, and
// within a process one flight serves all callers.
type tokens struct {
	key   string
	cache channel.TokenCache
	locks channel.Locker
	fetch func(context.Context) (chat.Secret, time.Duration, error)
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

func newTokens(a Account, d channel.Deps, fetch func(context.Context) (chat.Secret, time.Duration, error)) *tokens {
	// The secret's fingerprint keeps a changed secret from using, and seeming to work with, the old one's token.
	// The tenant comes first, so that one pattern of keys gives a tenant's Redis user its tokens and nobody else's.
	key := a.Tenant + "/wecom/" + a.CorpID + "/" + a.Agent + "/" + a.Secret.Fingerprint()
	return &tokens{key: key, cache: d.Tokens, locks: d.Locks, fetch: fetch, log: d.Log, now: d.Now}
}

// get returns a token that is believed valid.
func (t *tokens) get(ctx context.Context) (chat.Secret, error) { return t.obtain(ctx, chat.Secret{}) }

// replace returns a token in place of one that the platform refused. It fetches one only if no other replica has yet.
func (t *tokens) replace(ctx context.Context, refused chat.Secret) (chat.Secret, error) {
	return t.obtain(ctx, refused)
}

func (t *tokens) obtain(ctx context.Context, refused chat.Secret) (chat.Secret, error) {
	for {
		token, f, err := t.join(ctx, refused)
		if f == nil {
			return token, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return chat.Secret{}, chat.E(chat.KindOf(ctx.Err()), "wecom.token", ctx.Err())
		}
		// A flight that began before the refusal may have brought the very token that was refused; then another is needed.
		if f.err != nil || f.token != refused || f.refused == refused {
			return f.token, f.err
		}
	}
}

// join returns the token or the failure that this process knows of, or else the flight to wait for.
func (t *tokens) join(ctx context.Context, refused chat.Secret) (chat.Secret, *flight, error) {
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

func (t *tokens) fly(ctx context.Context, f *flight) {
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
func (t *tokens) shared(ctx context.Context, refused chat.Secret) (chat.Secret, time.Duration, error) {
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
			return chat.Secret{}, 0, chat.E(chat.Timeout, "wecom.token", errors.New("another replica holds the lock and brings no token"))
		}
	}
}

func (t *tokens) cached(ctx context.Context, refused chat.Secret) (chat.Secret, bool) {
	token, err := t.cache.Token(ctx, t.key)
	t.complain("read", err)
	return token, err == nil && !token.IsZero() && token != refused
}

func (t *tokens) fetchAndShare(ctx context.Context) (chat.Secret, time.Duration, error) {
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

// complain logs a failure of the shared cache, which costs calls of gettoken and nothing else.
func (t *tokens) complain(step string, err error) {
	if err != nil {
		t.log.Warn("wecom: shared token cache failed", "step", step, "err", err)
	}
}
