package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"parley/internal/chat"
)

// Options say how to reach Redis. Zero values take the defaults named.
type Options struct {
	Addrs    []string // host:port; more than one: a cluster's nodes
	Cluster  bool     // one address, but of a cluster
	Username string
	Password chat.Secret
	// Now gives the password anew for each new connection, where it may change; nil: it is Password for ever. A changed one is
	// proved first, and the one before stands in for it while Redis refuses it.
	Now      func() chat.Secret
	DB       int                // 0 in a cluster
	TLS      func() *tls.Config // asked for each new connection; nil: plaintext
	PoolSize int                // connections to each node, at most; 32 a CPU. Steps take few: see gather
	Dial     time.Duration      // bound of one connection attempt; 300 ms
	Timeout  time.Duration      // bound of one call, connecting and waiting for a free connection included; 900 ms
}

const defaultDial = 300 * time.Millisecond

// maxBlocked bounds the connections for commands that wait: one for each role that other replicas ask something of, and one for each that is asked.
const maxBlocked = 1000

// Store implements conversation.Store and LiveWriter, and channel's TokenCache, Locker, Leader, Limiter, Memo, Relay, LiveReader and Feed. Safe for concurrent use.
// Each call ends within Options.Timeout, also when Redis is down or silent (Usage takes that long for a shard); its error is then a
// *chat.Error of kind Timeout or Unavailable with Maybe set if the step may have happened. Steps of turns wait for each other before.
type Store struct {
	rdb redis.UniversalClient
	// blocking has connections for commands that wait: they must not take those of steps.
	blocking redis.UniversalClient
	login    *login // nil: the password does not change
	scripts  scripts
	formats  formats
	records  RecordOptions
	timeout  time.Duration
	nodes    sync.Map // address -> *lanes; of a single Redis: under no address

	mu      sync.Mutex
	waiting map[string]*waiting // by tenant
	boxes   map[string]*relayBox
}

// quiet takes go-redis's own lines, one for every failed connection, off stderr: the store's errors and metrics say the same. Its logger is
// one for the whole process.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

// Printf implements go-redis's logger.
func (silence) Printf(context.Context, string, ...any) {}

// New makes a store. It does not connect: Redis may be down when a process starts; see [Store.Ping]. Its errors name the faulty option.
func New(o Options) (*Store, error) {
	quiet()
	if len(o.Addrs) == 0 {
		return nil, errors.New("redis: addrs is empty: name at least one host:port")
	}
	for _, a := range o.Addrs {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return nil, fmt.Errorf("redis: addrs: %q is not host:port: %w", a, err)
		}
	}
	if cluster := o.Cluster || len(o.Addrs) > 1; cluster && o.DB != 0 {
		return nil, fmt.Errorf("redis: db is %d, but a cluster has only db 0", o.DB)
	}
	s := &Store{scripts: newScripts(clockLua), formats: ours(), timeout: cmp.Or(o.Timeout, 900*time.Millisecond), waiting: map[string]*waiting{}, boxes: map[string]*relayBox{}}
	if o.Now != nil {
		s.login = newLogin(o, s.timeout)
	}
	open := func(size int) redis.UniversalClient {
		u := o.universal(s.timeout)
		u.PoolSize = cmp.Or(size, u.PoolSize)
		if s.login == nil {
			return redis.NewUniversalClient(u)
		}
		u.CredentialsProviderContext = s.login.credentials
		c := redis.NewUniversalClient(u)
		c.AddHook(s.login)
		return c
	}
	s.rdb, s.blocking = open(0), open(maxBlocked)
	return s, nil
}

// universal sets what differs from go-redis's defaults: those ignore deadlines, wait 5 s for a silent Redis, dial five times, and repeat
// commands whose reply was lost.
func (o Options) universal(timeout time.Duration) *redis.UniversalOptions {
	var dial func(context.Context, string, string) (net.Conn, error)
	if o.TLS != nil {
		dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := tls.Dialer{NetDialer: &net.Dialer{Timeout: cmp.Or(o.Dial, defaultDial)}, Config: o.TLS()}
			return d.DialContext(ctx, network, addr)
		}
	}
	return &redis.UniversalOptions{
		Addrs: o.Addrs, IsClusterMode: o.Cluster, Username: o.Username, Password: o.Password.Reveal(), DB: o.DB, Dialer: dial,
		Protocol:                 2,
		ContextTimeoutEnabled:    true,
		DialTimeout:              cmp.Or(o.Dial, defaultDial),
		DialerRetries:            1,
		ReadTimeout:              timeout,
		WriteTimeout:             timeout,
		PoolTimeout:              timeout,
		PoolSize:                 cmp.Or(o.PoolSize, 32*runtime.GOMAXPROCS(0)),
		MaxRetries:               -1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Close ends all connections. Calls under way fail.
func (s *Store) Close() error { return errors.Join(s.rdb.Close(), s.blocking.Close()) }
