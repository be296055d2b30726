package redisstore

import (
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by their SHA-1
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	//go:embed lua/clock.lua
	clockLua string
	//go:embed lua/common.lua
	commonLua string
	//go:embed lua/budget.lua
	budgetLua string
)

// script is one Lua step with the name under which Redis caches it.
type script struct{ source, sha string }

type scripts struct {
	accept, claim, renew, commit, delivered, release, reap, stats script
	clientsSet, clients, drop, liveRead, feedAppend               script
	spend, reserve, settle                                        script
	format, leave                                                 script
	intend, postpone, giveUp                                      script
	seats, look                                                   script
	take, extend, keep                                            script
	relayAsk, relayPush, relayNow                                 script
	forget, retry, bury                                           script
}

// newScripts puts each step behind the clock and the shared functions. Tests bring a clock of their own.
func newScripts(clock string) scripts {
	step := func(name string, shared ...string) script {
		b, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // the file is compiled in
		}
		source := planted(clock + commonLua + strings.Join(shared, "") + string(b))
		sum := sha1.Sum([]byte(source)) //nolint:gosec // see above
		return script{source, hex.EncodeToString(sum[:])}
	}
	return scripts{
		accept: step("accept"), claim: step("claim"), renew: step("renew"), commit: step("commit"), delivered: step("delivered"),
		release: step("release"), reap: step("reap"), stats: step("stats"), clientsSet: step("clients_set"), clients: step("clients"),
		drop: step("drop"), liveRead: step("live_read"), feedAppend: step("feed_append"),
		forget: step("forget"), retry: step("retry"), bury: step("bury"),
		intend: step("intend"), postpone: step("postpone"), giveUp: step("give_up"),
		format: step("format"), leave: step("leave"),
		seats: step("seats"), look: step("look"), take: step("take"), extend: step("extend"), keep: step("keep"),
		relayAsk: step("relay_ask"), relayPush: step("relay_push"), relayNow: step("relay_now"),
		spend: step("spend"), reserve: step("reserve", budgetLua), settle: step("settle", budgetLua),
	}
}

// bound gives a call its short deadline.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// run executes one script on one key.
func (s *Store) run(ctx context.Context, op string, sc script, key string, args ...any) (any, error) {
	v, err := s.each(ctx, op, sc, []string{key}, nil, args...)
	return v[0], err
}

// each executes one script on many keys in one round trip (one for each node of a cluster). The results are in the keys' order. An error
// does not void them: it is that of the first key that failed, and such keys' results are nil. more are commands that go along.
func (s *Store) each(ctx context.Context, op string, sc script, keys []string, more []*ask, args ...any) ([]any, error) {
	return s.eachWith(ctx, op, sc, keys, more, func(int) []any { return args })
}

// eachWith is each with arguments for each key.
func (s *Store) eachWith(ctx context.Context, op string, sc script, keys []string, more []*ask, args func(i int) []any) ([]any, error) {
	if !isTurnStep(op) {
		var cancel context.CancelFunc
		ctx, cancel = s.bound(ctx) // also of what is repeated
		defer cancel()
	}
	asks := make([]*ask, len(keys), len(keys)+len(more))
	for i, key := range keys {
		asks[i] = &ask{key: key, cmd: sc.call(ctx, key, args(i))}
	}
	s.send(ctx, op, append(asks, more...)...)
	s.again(ctx, op, sc, asks, args)

	out := make([]any, len(keys))
	var first error
	failed := 0
	for i, a := range asks {
		switch {
		case a.err == nil:
			out[i] = a.cmd.(*redis.Cmd).Val()
		case !errors.Is(a.err, redis.Nil):
			failed++
			first = cmp.Or(first, a.err)
		}
	}
	if failed > 0 && len(keys) > 1 {
		first = fmt.Errorf("%d of %d shards: %w", failed, len(keys), first)
	}
	return out, failure(op, first)
}

// call makes the command that executes the script by its name.
func (sc script) call(ctx context.Context, key string, args []any) *redis.Cmd {
	all := make([]any, 4, 4+len(args))
	all[0], all[1], all[2], all[3] = "evalsha", sc.sha, 1, key
	cmd := redis.NewCmd(ctx, append(all, args...)...)
	cmd.SetFirstKeyPos(3)
	return cmd
}

// again repeats the commands to nodes that did not know the script: one that was restarted, or is new. Its source goes once to each of them, not
// once for each key.
func (s *Store) again(ctx context.Context, op string, sc script, asks []*ask, args func(i int) []any) {
	var unknown []*ask
	for i, a := range asks {
		if redis.HasErrorPrefix(a.err, "NOSCRIPT") {
			a.cmd = sc.call(ctx, a.key, args(i))
			unknown = append(unknown, a)
		}
	}
	if len(unknown) > 0 {
		s.load(ctx, sc, unknown)
		s.send(ctx, op, unknown...)
	}
}

// runAll runs what pipe holds; each command has its own result or error then. Where Redis refuses the connection itself (WRONGPASS at its AUTH,
// LOADING at its SELECT) go-redis tells that of the whole only, and a command that never ran would look like one that found nothing.
func runAll(ctx context.Context, pipe redis.Pipeliner) {
	cmds, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return
	}
	for _, c := range cmds {
		c.SetErr(err)
	}
}

// load gives the script to the nodes that are asked. A node that does not take it answers so again when the script is called.
func (s *Store) load(ctx context.Context, sc script, asks []*ask) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		_ = s.rdb.ScriptLoad(ctx, sc.source).Err()
		return
	}
	nodes := map[string]*redis.Client{}
	for _, a := range asks {
		if n, err := cluster.MasterForKey(ctx, a.key); err == nil {
			nodes[n.Options().Addr] = n
		}
	}
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() { _ = n.ScriptLoad(ctx, sc.source).Err() })
	}
	wg.Wait()
}
