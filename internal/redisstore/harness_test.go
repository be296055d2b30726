package redisstore

import (
	"context"
	_ "embed"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation/storetest"
	"parley/test/realdeps"
)

// open makes a store and closes it with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second // a busy machine is no failure
	}
	if o.Dial == 0 {
		o.Dial = 10 * time.Second
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// miniHarness is a store over an embedded Redis whose clock moves only when told.
func miniHarness(t *testing.T) storetest.Harness {
	mr := miniredis.RunT(t)
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	mr.SetTime(now)
	var mu sync.Mutex
	return storetest.Harness{
		Store: open(t, Options{Addrs: []string{mr.Addr()}}),
		Advance: func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(d)
			mr.SetTime(now)
			mr.FastForward(d)
		},
		Keys: func() map[string]time.Duration {
			out := map[string]time.Duration{}
			for _, k := range mr.Keys() {
				if out[k] = mr.TTL(k); out[k] == 0 {
					out[k] = -1
				}
			}
			return out
		},
	}
}

// startRedis runs a redis-server of its own on a free port of 127.0.0.1 and ends it with the test.
func startRedis(t testing.TB, args ...string) (addr string) {
	t.Helper()
	addr, _ = startRedisProcess(t, realdeps.Redis{Args: args})
	return addr
}

// startRedisProcess is startRedis with the means to end the process at once.
func startRedisProcess(t testing.TB, o realdeps.Redis) (addr string, kill func()) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not on the PATH: install it (Debian: apt-get install redis-server)")
		}
		t.Skip("SKIPPED, NOT TESTED ON A REAL REDIS: redis-server is not on the PATH (Debian: apt-get install redis-server)")
	}
	o.Dir = t.TempDir()
	server, err := realdeps.StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server.Addr, server.Kill
}

func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

var (
	//go:embed testdata/clock.lua
	movableClock string
	//go:embed testdata/forward.lua
	forwardLua string
	//go:embed testdata/keys.lua
	keysLua string
)

// realHarness is a store over a real Redis. Time passes there by itself; Advance moves the scripts' clock on and shortens every TTL.
func realHarness(t *testing.T, o Options) storetest.Harness {
	s := open(t, o)
	s.scripts = newScripts(movableClock)
	r := &realRedis{t: t, s: s}
	r.nodes(func(ctx context.Context, n *redis.Client) error { return n.FlushAll(ctx).Err() })
	return storetest.Harness{Store: s, Advance: r.advance, Keys: r.keys}
}

type realRedis struct {
	t      *testing.T
	s      *Store
	mu     sync.Mutex
	offset time.Duration
}

// nodes calls f on the server, or on each master of a cluster.
func (r *realRedis) nodes(f func(context.Context, *redis.Client) error) {
	r.t.Helper()
	var err error
	switch c := r.s.rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(context.Background(), f)
	case *redis.Client:
		err = f(context.Background(), c)
	}
	if err != nil {
		r.t.Error(err)
	}
}

func (r *realRedis) advance(d time.Duration) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offset += d
	r.nodes(func(ctx context.Context, n *redis.Client) error {
		return n.Eval(ctx, forwardLua, nil, d.Milliseconds()).Err()
	})
	ctx := context.Background()
	pipe := r.s.rdb.Pipeline()
	pipe.Set(ctx, clientsPrefix+"offset", r.offset.Milliseconds(), 0)
	for _, tenant := range storetest.Tenants {
		pipe.Set(ctx, budgetPrefix(tenant)+"offset", r.offset.Milliseconds(), 0)
		pipe.Set(ctx, seatsPrefix(tenant)+"offset", r.offset.Milliseconds(), 0)
		for _, p := range prefixes(allShards(tenant)) {
			pipe.Set(ctx, p+"offset", r.offset.Milliseconds(), 0)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		r.t.Error(err)
	}
}

func (r *realRedis) keys() map[string]time.Duration {
	r.t.Helper()
	var mu sync.Mutex
	out := map[string]time.Duration{}
	r.nodes(func(ctx context.Context, n *redis.Client) error {
		v, err := n.Eval(ctx, keysLua, nil).Slice()
		mu.Lock()
		defer mu.Unlock()
		for i := 0; i+1 < len(v); i += 2 {
			out[text(v[i])] = time.Duration(number(v[i+1])) * time.Millisecond
		}
		return err
	})
	return out
}

// shared is the same harness for the ports of channels.
func shared(h storetest.Harness) storetest.SharedHarness {
	s := h.Store.(*Store)
	return storetest.SharedHarness{Shared: s, Advance: h.Advance, Keys: h.Keys, Read: func(ctx context.Context, key chat.ConversationKey, after string) ([]string, error) {
		entries, err := s.Read(ctx, key, after)
		var out []string
		for _, e := range entries {
			out = append(out, e.ID+" "+string(e.Payload))
		}
		return out, err
	}}
}

func TestContractMiniredis(t *testing.T) {
	storetest.Run(t, miniHarness)
	storetest.RunShared(t, func(t *testing.T) storetest.SharedHarness { return shared(miniHarness(t)) })
}

func TestContractRedis(t *testing.T) { runReal(t, Options{Addrs: []string{startRedis(t)}}) }

func TestContractCluster(t *testing.T) { runReal(t, Options{Addrs: startCluster(t)}) }

func runReal(t *testing.T, o Options) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return realHarness(t, o) })
	storetest.RunShared(t, func(t *testing.T) storetest.SharedHarness { return shared(realHarness(t, o)) })
}

// startCluster runs three masters that share the slots.
func startCluster(t *testing.T) (addrs []string) {
	t.Helper()
	addrs, _ = startClusterProcesses(t)
	return addrs
}

// startClusterProcesses is startCluster with the means to end the first master at once.
func startClusterProcesses(t *testing.T) (addrs []string, killFirst func()) {
	t.Helper()
	var nodes []*redis.Client
	for i := range 3 {
		addr, kill := startRedisProcess(t, realdeps.Redis{Cluster: true})
		n := redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = n.Close() })
		if i == 0 {
			killFirst = kill
		}
		addrs, nodes = append(addrs, addr), append(nodes, n)
	}
	ctx := context.Background()
	for i, n := range nodes {
		if err := n.ClusterAddSlotsRange(ctx, i*16384/3, (i+1)*16384/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := n.Do(ctx, "CONFIG", "SET", "cluster-require-full-coverage", "yes").Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range nodes[1:] {
		bus, err := n.ConfigGet(ctx, "cluster-port").Result()
		if err != nil {
			t.Fatal(err)
		}
		if err := nodes[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", portOf(addrs[i+1]), bus["cluster-port"]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ready := 0
		for _, n := range nodes {
			if shards, err := n.ClusterShards(ctx).Result(); err == nil && len(shards) == 3 {
				if info, err := n.ClusterInfo(ctx).Result(); err == nil && len(info) > 0 && info[:16] == "cluster_state:ok" {
					ready++
				}
			}
		}
		if ready == 3 {
			return addrs, killFirst
		}
		if time.Now().After(deadline) {
			t.Fatal("the cluster does not come together")
		}
	}
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
