package redisstore

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/test/realdeps"
)

// TestPasswordChanges changes the password of a real Redis and of the store in every order, each time without a connection that stands.
func TestPasswordChanges(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := realdeps.StartRedis(ctx, realdeps.Redis{Dir: t.TempDir(), Args: []string{"--requirepass", "one"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	const bound = 3 * time.Second
	var file atomic.Pointer[string]
	put := func(s string) { file.Store(&s) }
	put("one")
	s := open(t, Options{Addrs: []string{server.Addr}, Timeout: bound, Now: func() chat.Secret { return chat.NewSecret(*file.Load()) }})
	admin := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "one", MaxRetries: -1}) // its one connection stays, whatever changes
	defer admin.Close()
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(ctx, args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	cut := func() { do("client", "kill", "type", "normal", "skipme", "yes") }
	works := func(what string) {
		t.Helper()
		if _, err := s.Clients(ctx); err != nil { // a pipeline's way
			t.Errorf("%s: %v", what, err)
		}
		if err := s.Ping(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	works("at the start")

	put("two")
	cut()
	_ = s.Ping(ctx) // hears that its connections were cut
	works("the file is ahead of Redis")
	if err := s.LogIn(ctx); err == nil {
		t.Error("the new password is called good before Redis knows it")
	}
	do("config", "set", "requirepass", "two")
	cut()
	_ = s.Ping(ctx)
	works("Redis has followed")
	if err := s.LogIn(ctx); err != nil {
		t.Error(err)
	}

	do("config", "set", "requirepass", "three")
	works("Redis is ahead of the file, over connections that stand")
	cut()
	_ = s.Ping(ctx)
	began := time.Now()
	time.AfterFunc(300*time.Millisecond, func() { put("three") })
	works("Redis is ahead of the file, which follows within the bound")
	if took := time.Since(began); took < 200*time.Millisecond || took > 2*bound {
		t.Errorf("it took %s", took)
	}

	do("config", "set", "requirepass", "four")
	cut()
	_ = s.Ping(ctx)
	began = time.Now()
	err = s.Ping(ctx)
	for i := 0; i < 8 && err != nil && !strings.Contains(err.Error(), "WRONGPASS"); i++ { // its last try may have had no time to be answered
		began = time.Now()
		err = s.Ping(ctx)
	}
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || time.Since(began) > bound+15*time.Second {
		t.Errorf("nobody knows the password: %v after %s", err, time.Since(began))
	}
}
