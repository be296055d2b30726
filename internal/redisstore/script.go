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

// run executes one script on one key (a shard's prefix, as a rule).
func (s *Store) run(ctx context.Context, op string, sc script, key string, args ...any) (any, error) {
	done, err := s.turnStep(ctx, op)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := s.bound(ctx)
	defer cancel()
	v, err := s.rdb.EvalSha(ctx, sc.sha, []string{key}, args...).Result()
	if redis.HasErrorPrefix(err, "NOSCRIPT") { // a Redis that was restarted, or another node: send the source once
		v, err = s.rdb.Eval(ctx, sc.source, []string{key}, args...).Result()
	}
	return v, failure(op, err)
}

// each executes one script on many keys in one round trip (one for each node of a cluster). The results are in the keys' order. An error
// does not void them: it is that of the first key that failed, and such keys' results are nil. more may add commands to the same round
// trip; their errors are theirs.
func (s *Store) each(ctx context.Context, op string, sc script, keys []string, more func(redis.Pipeliner), args ...any) ([]any, error) {
	return s.eachWith(ctx, op, sc, keys, more, func(int) []any { return args })
}

// eachWith is each with arguments for each key.
func (s *Store) eachWith(
	ctx context.Context, op string, sc script, keys []string, more func(redis.Pipeliner), args func(i int) []any,
) ([]any, error) {
	done, err := s.turnStep(ctx, op)
	if err != nil {
		return make([]any, len(keys)), err
	}
	defer done()
	ctx, cancel := s.bound(ctx)
	defer cancel()
	cmds := make([]*redis.Cmd, len(keys))
	pipe := s.rdb.Pipeline()
	for i, key := range keys {
		cmds[i] = pipe.EvalSha(ctx, sc.sha, []string{key}, args(i)...)
	}
	if more != nil {
		more(pipe)
	}
	runAll(ctx, pipe)
	s.again(ctx, sc, keys, cmds, args)

	out := make([]any, len(cmds))
	var first error
	failed := 0
	for i, cmd := range cmds {
		v, err := cmd.Result()
		switch {
		case err == nil:
			out[i] = v
		case !errors.Is(err, redis.Nil):
			failed++
			first = cmp.Or(first, err)
		}
	}
	if failed > 0 && len(keys) > 1 {
		first = fmt.Errorf("%d of %d shards: %w", failed, len(keys), first)
	}
	return out, failure(op, first)
}

// again repeats the commands to nodes that did not know the script. Its source goes once to each of them, not once for each key.
func (s *Store) again(ctx context.Context, sc script, keys []string, cmds []*redis.Cmd, args func(i int) []any) {
	var unknown []string
	pipe := s.rdb.Pipeline()
	for i, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, keys[i])
			cmds[i] = pipe.EvalSha(ctx, sc.sha, []string{keys[i]}, args(i)...)
		}
	}
	if len(unknown) > 0 {
		s.load(ctx, sc, unknown)
		runAll(ctx, pipe)
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

// load gives the script to the nodes that serve keys. A node that does not take it answers so again when the script is called.
func (s *Store) load(ctx context.Context, sc script, keys []string) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		_ = s.rdb.ScriptLoad(ctx, sc.source).Err()
		return
	}
	nodes := map[string]*redis.Client{}
	for _, key := range keys {
		if n, err := cluster.MasterForKey(ctx, key); err == nil {
			nodes[n.Options().Addr] = n
		}
	}
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() { _ = n.ScriptLoad(ctx, sc.source).Err() })
	}
	wg.Wait()
}
