package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation/storetest"
)

// everywhere runs a test over each Redis that Parley runs on.
func everywhere(t *testing.T, f func(t *testing.T, h storetest.Harness, s *Store)) {
	run := func(name string, open func(t *testing.T) storetest.Harness) {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			f(t, h, h.Store.(*Store))
		})
	}
	run("miniredis", miniHarness)
	run("redis", func(t *testing.T) storetest.Harness { return realHarness(t, Options{Addrs: []string{startRedis(t)}}) })
	run("cluster", func(t *testing.T) storetest.Harness { return realHarness(t, Options{Addrs: startCluster(t)}) })
}

// byItsClock runs a test over real ones whose scripts read their own clock.
func byItsClock(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Run("redis", func(t *testing.T) { f(t, open(t, Options{Addrs: []string{startRedis(t)}})) })
	t.Run("cluster", func(t *testing.T) { f(t, open(t, Options{Addrs: startCluster(t)})) })
}

func TestMemo(t *testing.T) {
	everywhere(t, func(t *testing.T, h storetest.Harness, s *Store) {
		ctx := t.Context()
		want := func(key, value string) {
			t.Helper()
			if got, err := s.Recall(ctx, key); err != nil || got != value {
				t.Errorf("%.40q holds %.40q, %v; want %.40q", key, got, err, value)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		want("acme/cursor", "")
		must(s.Remember(ctx, "acme/cursor", "one", time.Hour))
		must(s.Remember(ctx, "acme/cursor", "two\x00\xff\n", time.Hour))
		want("acme/cursor", "two\x00\xff\n")
		want("acme/cursor2", "")
		if got, err := s.RememberFirst(ctx, "acme/cursor", "three", time.Hour); err != nil || got != "two\x00\xff\n" {
			t.Errorf("RememberFirst over another's: %q, %v", got, err)
		}
		h.Advance(59 * time.Minute)
		want("acme/cursor", "two\x00\xff\n")
		h.Advance(2 * time.Minute)
		want("acme/cursor", "")
		if got, err := s.RememberFirst(ctx, "acme/cursor", "", time.Hour); err != nil || got != "" {
			t.Errorf("RememberFirst of nothing: %q, %v", got, err)
		}
		if got, err := s.RememberFirst(ctx, "acme/cursor", "late", time.Hour); err != nil || got != "" {
			t.Errorf("nothing is something, too: %q, %v", got, err)
		}
		most := strings.Repeat("x", maxMemo)
		must(s.Remember(ctx, "acme/large", most, time.Hour))
		want("acme/large", most)
		for what, err := range map[string]error{
			"too large": s.Remember(ctx, "k", most+"x", time.Hour), "no time": s.Remember(ctx, "k", "v", 0), "a negative time": s.Remember(ctx, "k", "v", -1),
			"first, no time": second(s.RememberFirst(ctx, "k", "v", 0)), "first, too large": second(s.RememberFirst(ctx, "k", most+"x", time.Hour)),
		} {
			if err == nil || chat.KindOf(err) != chat.Invalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		for key, ttl := range h.Keys() {
			if ttl < 0 && !strings.HasSuffix(key, "offset") {
				t.Errorf("%q is kept for ever", key)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A memo of a later release is not taken for one of this.
func TestMemoOfALaterRelease(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	if err := s.rdb.Set(t.Context(), memoKey("k"), "2:x", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Recall(t.Context(), "k"); err == nil || got != "" {
		t.Errorf("recalled %q, %v", got, err)
	}
	if got, err := s.RememberFirst(t.Context(), "k", "v", time.Hour); err == nil || got != "" {
		t.Errorf("remembered %q, %v", got, err)
	}
}

// Of many who write first, over many replicas, one wins, and all hear who.
func TestRememberFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, _ storetest.Harness, s *Store) {
		for round := range 20 {
			var wg sync.WaitGroup
			heard := make([]string, 12)
			for i := range heard {
				wg.Go(func() {
					var err error
					if heard[i], err = s.RememberFirst(t.Context(), fmt.Sprint("acme/card/", round), fmt.Sprint("by ", i), time.Hour); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			kept, err := s.Recall(t.Context(), fmt.Sprint("acme/card/", round))
			if err != nil || kept == "" {
				t.Fatalf("kept %q, %v", kept, err)
			}
			for i, h := range heard {
				if h != kept {
					t.Errorf("%d heard %q, and %q is kept", i, h, kept)
				}
			}
		}
	})
}

// Keys of one tenant are never those of another, whatever they hold; and all are within what its own Redis user may reach.
func TestMemoKeysAreApart(t *testing.T) {
	seen := map[string]string{}
	for _, tenant := range []string{"acme", "acme-eu", "a"} {
		for _, rest := range []string{"", "x", "/x", "eu/x", "\x00", "{}", "{acme}", "%2F", ":", strings.Repeat("x", 500), strings.Repeat("x", 501)} {
			key := tenant + "/" + rest
			for kind, k := range map[string]string{"memo": memoKey(key), "token": tokenKey(key), "pace": paceKey(key), "lock": lockKey(key), "relay": relayKey(key)} {
				if other, twice := seen[k]; twice {
					t.Errorf("%q and %q share %q", key, other, k)
				}
				seen[k] = key
				if want := root + kind + ":" + tenant + "%2F"; !strings.HasPrefix(k, want) || len(k) > len(want)+maxName {
					t.Errorf("%q is kept as %q, outside of what its user may reach, %s*", key, k, want)
				}
			}
		}
	}
}

var everyTenth = chat.Pace{Burst: 5, Every: 100 * time.Millisecond}

// However many ask at once, on however many replicas: a burst, and then one place in each time, none twice and none left out.
func TestTakeIsExact(t *testing.T) {
	mini := miniHarness(t)
	s := mini.Store.(*Store)
	const callers = 120
	var wg sync.WaitGroup
	var mu sync.Mutex
	places := map[time.Duration]int{}
	for range callers {
		wg.Go(func() {
			wait, ok, err := s.Take(t.Context(), "acme/api", everyTenth, 20*time.Minute)
			if err != nil || !ok {
				t.Errorf("%v, %v", ok, err)
			}
			mu.Lock()
			defer mu.Unlock()
			places[wait]++
		})
	}
	wg.Wait()
	if places[0] != everyTenth.Burst {
		t.Errorf("%d went at once", places[0])
	}
	for i := 1; i <= callers-everyTenth.Burst; i++ {
		if n := places[time.Duration(i)*everyTenth.Every]; n != 1 {
			t.Errorf("%d at %v", n, time.Duration(i)*everyTenth.Every)
		}
	}
}

// On a real Redis time passes meanwhile: what is granted never exceeds the pace by its clock.
func TestTakeOverTime(t *testing.T) {
	byItsClock(t, func(t *testing.T, s *Store) {
		p := chat.Pace{Burst: 3, Every: 20 * time.Millisecond}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var last time.Duration
		began, granted := time.Now(), 0
		for range 8 {
			wg.Go(func() {
				for range 10 {
					wait, ok, err := s.Take(t.Context(), "acme/api", p, time.Minute)
					if err != nil || !ok {
						t.Errorf("%v, %v", ok, err)
					}
					mu.Lock()
					granted, last = granted+1, max(last, time.Since(began)+wait)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if least := time.Duration(granted-p.Burst) * p.Every; last < least-p.Every {
			t.Errorf("%d places within %v; the pace allows the last after %v", granted, last, least)
		}
	})
}

func TestTakeRefuses(t *testing.T) {
	h := miniHarness(t)
	s := h.Store.(*Store)
	p := chat.Pace{Burst: 2, Every: time.Hour / 6}
	take := func(key string, most time.Duration, wantOK bool, want time.Duration) {
		t.Helper()
		wait, ok, err := s.Take(t.Context(), key, p, most)
		if err != nil || ok != wantOK || wait != want {
			t.Errorf("%s: %v, %v, %v; want %v, about %v", key, wait, ok, err, wantOK, want)
		}
	}
	take("acme/a", 0, true, 0)
	take("acme/a", 0, true, 0)
	for range 3 { // a refusal takes nothing
		take("acme/a", 0, false, 10*time.Minute)
		take("acme/a", 9*time.Minute, false, 10*time.Minute)
	}
	take("acme/b", 0, true, 0) // another's budget
	h.Advance(10 * time.Minute)
	take("acme/a", 0, true, 0)
	take("acme/a", 0, false, 10*time.Minute)
	take("acme/a", 11*time.Minute, true, 10*time.Minute)
	h.Advance(6 * time.Hour) // and no more than the burst is saved up
	take("acme/a", 0, true, 0)
	take("acme/a", 0, true, 0)
	take("acme/a", 0, false, 10*time.Minute)
	if wait, ok, err := s.Take(t.Context(), "acme/a", chat.Pace{}, 0); wait != 0 || !ok || err != nil {
		t.Errorf("no pace: %v, %v, %v", wait, ok, err)
	}
	for _, bad := range []struct {
		p    chat.Pace
		most time.Duration
	}{{chat.Pace{Every: time.Second}, 0}, {chat.Pace{Burst: 1, Every: time.Second}, time.Hour}, {chat.Pace{Burst: 1000, Every: time.Minute}, 0}} {
		if _, ok, err := s.Take(t.Context(), "acme/a", bad.p, bad.most); ok || err == nil || chat.KindOf(err) != chat.Invalid {
			t.Errorf("%+v: %v, %v", bad, ok, err)
		}
	}
}

// A clock that was set back holds nobody up for as long; without memory, what is under way goes on.
func TestTakeAgainstTheOdds(t *testing.T) {
	byItsClock(t, func(t *testing.T, s *Store) {
		if err := s.rdb.Set(t.Context(), root+"pace:"+name("acme/a"), time.Now().Add(30*24*time.Hour).UnixMilli(), time.Hour*24*60).Err(); err != nil {
			t.Fatal(err)
		}
		if wait, ok, err := s.Take(t.Context(), "acme/a", everyTenth, 0); wait != 0 || !ok || err != nil {
			t.Errorf("after the clock was set back: %v, %v, %v", wait, ok, err)
		}
	})
}

func TestTakeWithoutMemory(t *testing.T) {
	s := open(t, Options{Addrs: []string{startRedis(t, "--maxmemory-policy", "noeviction")}})
	ctx := context.Background()
	if _, _, err := s.Take(ctx, "acme/a", everyTenth, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.rdb.(*redis.Client).ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetToken(ctx, "acme/a", chat.NewSecret("v"), time.Hour); err == nil {
		t.Error("there is memory")
	}
	if _, ok, err := s.Take(ctx, "acme/a", everyTenth, 0); !ok || err != nil {
		t.Errorf("%v, %v: replies under way would wait for an operator", ok, err)
	}
}
