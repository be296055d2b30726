package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

const (
	// refusedFor is how long new connections take the password before the newest after Redis refused that.
	refusedFor = time.Second
	// loginPause is between two tries of a command whose connection was refused.
	loginPause = 20 * time.Millisecond
)

// login gives each new connection its password, which may change while the process runs. Where password and Redis do not change at the same
// moment, one is ahead of the other: so a changed password is proved before it is used, and the one before stands in for it as long as Redis refuses
// it; and a command whose connection was refused, and which was therefore never sent, is tried again until its time is over. Safe for concurrent use.
type login struct {
	user string
	now  func() chat.Secret
	try  func(context.Context, chat.Secret) error // over a connection of its own

	mu      sync.Mutex
	current chat.Secret
	before  chat.Secret // zero: there was none
	proved  bool        // Redis has taken the current one, as far as is known
	until   time.Time   // until then the one before is used
}

var _ redis.Hook = (*login)(nil)

func newLogin(o Options, timeout time.Duration) *login {
	l := &login{user: o.Username, now: o.Now, current: o.Now(), proved: true}
	l.try = func(ctx context.Context, password chat.Secret) error {
		o := o
		o.Password = password
		u := o.universal(timeout)
		u.PoolSize = 1
		c := redis.NewUniversalClient(u)
		defer c.Close()
		return c.Ping(ctx).Err()
	}
	return l
}

// credentials is called for each new connection.
func (l *login) credentials(ctx context.Context) (string, string, error) {
	value := l.now()
	l.mu.Lock() // also while it is proved: whoever connects meanwhile wants to know the same
	defer l.mu.Unlock()
	if !value.Equal(l.current) {
		l.before, l.current, l.proved, l.until = l.current, value, false, time.Time{}
	}
	if !l.proved && !l.before.IsZero() && !time.Now().Before(l.until) {
		if refusedLogin(l.try(ctx, value)) {
			l.until = time.Now().Add(refusedFor)
		} else {
			l.proved = true
		}
	}
	if l.proved || l.before.IsZero() {
		return l.user, l.current.Reveal(), nil
	}
	return l.user, l.before.Reveal(), nil
}

// again repeats what was refused for its login until it gets in, or the time of ctx is over. Without an end of time there is nothing to wait for.
func (l *login) again(ctx context.Context, err error, do func(context.Context) error) error {
	end, limited := ctx.Deadline()
	for limited && refusedLogin(err) && time.Until(end) > 2*loginPause {
		l.mu.Lock()
		l.proved = false
		l.mu.Unlock()
		time.Sleep(loginPause)
		err = do(ctx)
	}
	return err
}

func refusedLogin(err error) bool {
	return err != nil && redis.HasErrorPrefix(err, "WRONGPASS")
}

// DialHook implements redis.Hook.
func (l *login) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (l *login) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		// The login itself comes here, too: it is told of as it is, and the command that needed the connection begins anew.
		if !refusedLogin(err) || cmd.Name() == "hello" || cmd.Name() == "auth" {
			return err
		}
		return l.again(ctx, err, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook implements redis.Hook.
func (l *login) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if !refusedLogin(err) {
			return err
		}
		return l.again(ctx, err, func(ctx context.Context) error { return next(ctx, cmds) })
	}
}
