package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// fill accepts one message in each shard of acme.
func fill(t *testing.T, s *Store) {
	t.Helper()
	for i, n := 0, map[int]bool{}; len(n) < conversation.Shards; i++ {
		m := say(fmt.Sprint("m", i), fmt.Sprint("u", i))
		if sh := conversation.ShardOf(m.Conversation); !n[sh.Index] {
			n[sh.Index] = true
			if _, err := s.Accept(t.Context(), m, conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// but lists the shards of acme except some.
func but(down func(conversation.Shard) bool) (out []conversation.Shard) {
	for _, sh := range allShards("acme") {
		if !down(sh) {
			out = append(out, sh)
		}
	}
	return out
}

// Each step of many shards does what it can, and says besides what failed.
func TestOneShardFails(t *testing.T) {
	mr := miniredis.RunT(t)
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	fill(t, s)
	const bad = 3
	p := prefix(conversation.Shard{Tenant: "acme", Index: bad})
	mr.Del(p + "ready")
	for _, key := range []string{"ready", "owners"} { // of the wrong type: every script fails there
		if err := mr.Set(p+key, "broken"); err != nil {
			t.Fatal(err)
		}
	}
	allButOne(t, s, func(sh conversation.Shard) bool { return sh.Index == bad }, "1 of 16 shards")
}

// A dead node of a cluster takes its own shards with it, not the others'.
func TestOneNodeFails(t *testing.T) {
	addrs, kill := startClusterProcesses(t)
	s := open(t, Options{Addrs: addrs, Timeout: 2 * time.Second})
	fill(t, s)
	c := s.rdb.(*redis.ClusterClient)
	on := func(sh conversation.Shard) bool {
		n, err := c.MasterForKey(t.Context(), prefix(sh))
		if err != nil {
			t.Fatal(err)
		}
		return n.Options().Addr == addrs[0]
	}
	down := map[conversation.Shard]bool{}
	for _, sh := range allShards("acme") {
		down[sh] = on(sh)
	}
	for _, addr := range addrs {
		n := redis.NewClient(&redis.Options{Addr: addr})
		if err := n.ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
		_ = n.Close()
	}
	kill()
	allButOne(t, s, func(sh conversation.Shard) bool { return down[sh] }, "of 16 shards")
}

// allButOne takes every step of many shards, of which some are down, in a store with one message in each.
func allButOne(t *testing.T, s *Store, down func(conversation.Shard) bool, says string) {
	t.Helper()
	ctx, all, good := t.Context(), allShards("acme"), but(down)
	if len(good) == 0 || len(good) == len(all) {
		t.Fatalf("%d of %d shards are down", len(all)-len(good), len(all))
	}
	fails := func(step string, err error) {
		t.Helper()
		if k := chat.KindOf(err); err == nil || k != chat.Unavailable && k != chat.Timeout || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want unavailable and %q", step, err, says)
		}
	}
	claims, err := s.Claim(ctx, all, "a", 10, conversation.ClaimOptions{Lease: time.Hour})
	fails("claim", err)
	var claimed []conversation.Shard
	for _, c := range claims {
		claimed = append(claimed, c.Shard)
	}
	if diff := cmp.Diff(good, claimed); diff != "" {
		t.Fatalf("claimed (-want +got):\n%s", diff)
	}
	stop := claims[0].Message.Message
	stop.ID, stop.Text = "stop", "/stop"
	if _, err := s.Accept(ctx, stop, conversation.AcceptOptions{DedupeFor: time.Hour, Stop: true}); err != nil {
		t.Fatal(err)
	}

	got, err := s.Renew(ctx, "a", all, time.Hour)
	fails("renew", err)
	want := conversation.Renewed{Owns: map[conversation.Shard]int{}, LostFence: map[conversation.Shard]int64{},
		Stops: []conversation.Held{{Shard: claims[0].Shard, Handle: claims[0].Handle, Fence: claims[0].Fence}}}
	for _, sh := range good {
		want.Owns[sh] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("renewed (-want +got):\n%s", diff)
	}
	got, err = s.Renew(ctx, "stranger", all, time.Hour)
	fails("renew of lost leases", err)
	if diff := cmp.Diff(good, got.Lost); diff != "" || len(got.LostFence) != len(good) {
		t.Errorf("lost (-want +got):\n%s\nfences %v", diff, got.LostFence)
	}

	st, err := s.Stats(ctx, "acme")
	fails("stats", err)
	if st.Running != len(good) {
		t.Errorf("stats %+v, want %d running", st, len(good))
	}
	if _, err := s.Renew(ctx, "a", good, time.Millisecond); err != nil {
		t.Error(err)
	}
	time.Sleep(20 * time.Millisecond)
	n, err := s.Reap(ctx, all)
	fails("reap", err)
	if n != len(good) {
		t.Errorf("reaped %d, want %d", n, len(good))
	}
}

// After its scripts were lost, a node is sent the source once, however many shards it serves.
func TestSourceIsSentOnce(t *testing.T) {
	for name, addrs := range map[string]func(*testing.T) []string{
		"redis":   func(t *testing.T) []string { return []string{startRedis(t)} },
		"cluster": startCluster,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{Addrs: addrs(t)})
			nodes := &realRedis{t: t, s: s}
			nodes.nodes(func(ctx context.Context, n *redis.Client) error {
				if err := n.ScriptFlush(ctx).Err(); err != nil {
					return err
				}
				return n.Do(ctx, "CONFIG", "RESETSTAT").Err()
			})
			if _, err := s.Stats(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var sent []int
			nodes.nodes(func(ctx context.Context, n *redis.Client) error {
				info, err := n.Info(ctx, "commandstats").Result()
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, calledIn(info, "eval")+calledIn(info, "script|load"))
				return err
			})
			if slices.ContainsFunc(sent, func(n int) bool { return n != 1 }) {
				t.Errorf("the source went %v times to the nodes, want once to each", sent)
			}
		})
	}
}

// calledIn reads from INFO commandstats how often a command was called.
func calledIn(info, command string) int {
	_, rest, _ := strings.Cut(info, "cmdstat_"+command+":calls=")
	digits, _, _ := strings.Cut(rest, ",")
	n, _ := strconv.Atoi(digits)
	return n
}
