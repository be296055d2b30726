package edge

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/test/realdeps"
)

// redisCluster starts three masters that share the slots and know the users.
func redisCluster(ctx context.Context, t *testing.T, users []string) (addrs []string) {
	t.Helper()
	for range 3 {
		addrs = append(addrs, redisWith(ctx, t, users, realdeps.Redis{Cluster: true}).Addr)
	}
	args := append([]string{"--user", "test", "--pass", password + "test", "--no-auth-warning", "--cluster-yes", "--cluster", "create"}, addrs...)
	if out, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ready := 0
		for _, addr := range addrs {
			if info, err := as(t, addr, "test").ClusterInfo(ctx).Result(); err == nil && strings.Contains(info, "cluster_state:ok") {
				ready++
			}
		}
		if ready == len(addrs) {
			return addrs
		}
		if time.Now().After(end) {
			t.Fatal("the cluster does not come together")
		}
	}
}

// TestClientOfAClusterUnderItsOwnUser is TestClientUnderItsOwnUser over a Redis Cluster: a client of one asks it for more than keys.
func TestClientOfAClusterUnderItsOwnUser(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	acme := newCompany("acme")
	s := newStage(ctx, t, acme)
	addrs := redisCluster(ctx, t, redisUsers(t, "acme", "beta"))
	t.Setenv("THE_REDIS_PASSWORD", password+"acme")
	client := s.client(ctx, "client", fmt.Sprintf("{addrs: [%s], username: acme, password: env:THE_REDIS_PASSWORD}", strings.Join(addrs, ", ")), acme)
	s.entry([]company{acme}, client)
	s.talk(ctx, acme, client.Addr)
	if st := s.status(ctx, "client", acme.env()); st[0].Waiting != 0 {
		t.Errorf("status as acme: %+v", st)
	}
	s.must(client.Term(30 * time.Second))
	used := 0
	for _, addr := range addrs {
		admin := as(t, addr, "test")
		log, err := admin.ACLLog(ctx, 100).Result()
		s.must(err)
		for _, e := range log {
			t.Errorf("%s was refused %s %s in %s", e.Username, e.Reason, e.Object, e.Context)
		}
		if n, err := admin.DBSize(ctx).Result(); err == nil && n > 0 {
			used++
		}
		foreign := redis.NewClient(&redis.Options{Addr: addr, Username: "beta", Password: password + "beta", Protocol: 2, DisableIdentity: true})
		for it := admin.Scan(ctx, 0, "*", 100).Iterator(); it.Next(ctx); {
			if err := foreign.Get(ctx, it.Val()).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
				if strings.Contains(it.Val(), "{clients}") || it.Val() == "parley:format" {
					continue
				}
				t.Errorf("beta reads %s: %v", it.Val(), err)
			}
		}
		_ = foreign.Close()
	}
	if used < 2 {
		t.Errorf("%d nodes hold keys: the talk did not go over the cluster", used)
	}
}
