package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Shared is what replicas share besides conversations: the ports that channels use.
type Shared interface {
	conversation.LiveWriter
	ReadLive(ctx context.Context, key chat.ConversationKey) (chat.Live, bool, error)
	Token(ctx context.Context, key string) (chat.Secret, error)
	SetToken(ctx context.Context, key string, token chat.Secret, ttl time.Duration) error
	DropToken(ctx context.Context, key string, old chat.Secret) error
	TryLock(ctx context.Context, key string, ttl time.Duration) (unlock func(), ok bool, err error)
	Append(ctx context.Context, key chat.ConversationKey, id string, payload []byte, ttl time.Duration) error
}

// SharedHarness is a fresh Shared.
type SharedHarness struct {
	Shared Shared
	// Read reads a feed as "id payload" each.
	Read    func(ctx context.Context, key chat.ConversationKey, after string) ([]string, error)
	Advance func(time.Duration)
	Keys    func() map[string]time.Duration // nil if there are none
}

// RunShared runs the contract of the ports that channels use.
func RunShared(t *testing.T, open func(*testing.T) SharedHarness) {
	for _, c := range []struct {
		name string
		test func(*sharedEnv)
	}{
		{"tokens", testTokens},
		{"locks", testLocks},
		{"one of many gets a lock", testLockRace},
		{"live text", testLive},
		{"live text is bounded", testLiveBounded},
		{"feed", testFeed},
		{"feed bounds", testFeedBounds},
		{"feed refuses", testFeedRefuses},
		{"everything ends", testSharedEnds},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t)
			c.test(&sharedEnv{T: t, SharedHarness: h, s: h.Shared, ctx: t.Context()})
		})
	}
}

type sharedEnv struct {
	*testing.T
	SharedHarness
	s   Shared
	ctx context.Context
}

func (e *sharedEnv) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *sharedEnv) token(key, want string) {
	e.Helper()
	got, err := e.s.Token(e.ctx, key)
	if err != nil || got.Reveal() != want {
		e.Errorf("token of %q: a secret of %d bytes, %v, want one of %d", key, len(got.Reveal()), err, len(want))
	}
}

func testTokens(e *sharedEnv) {
	e.token("k", "")
	e.must(e.s.SetToken(e.ctx, "k", chat.NewSecret("old"), time.Hour))
	e.must(e.s.SetToken(e.ctx, "k:x", chat.NewSecret("another"), time.Hour))
	e.token("k", "old")
	e.must(e.s.SetToken(e.ctx, "k", chat.NewSecret("new"), time.Hour))
	e.must(e.s.DropToken(e.ctx, "k", chat.NewSecret("old"))) // another replica was faster
	e.token("k", "new")
	e.must(e.s.DropToken(e.ctx, "k", chat.NewSecret("new")))
	e.token("k", "")
	e.must(e.s.DropToken(e.ctx, "k", chat.NewSecret("new")))
	e.token("k:x", "another")
	e.Advance(2 * time.Hour)
	e.token("k:x", "")
	for _, ttl := range []time.Duration{0, -1} {
		if err := e.s.SetToken(e.ctx, "k", chat.NewSecret("x"), ttl); chat.KindOf(err) != chat.Invalid {
			e.Errorf("a token for %v: %v, want invalid", ttl, err)
		}
	}
	for i, key := range hostile() {
		e.must(e.s.SetToken(e.ctx, key, chat.NewSecret(fmt.Sprint(i, "\x00\xff")), time.Hour))
	}
	for i, key := range hostile() {
		if slices.Index(hostile()[i+1:], key) < 0 {
			e.token(key, fmt.Sprint(i, "\x00\xff"))
		}
	}
}

func (e *sharedEnv) lock(key string, want bool) func() {
	e.Helper()
	unlock, ok, err := e.s.TryLock(e.ctx, key, time.Minute)
	if err != nil || ok != want {
		e.Fatalf("lock %q: %v, %v, want %v", key, ok, err, want)
	}
	return unlock
}

func testLocks(e *sharedEnv) {
	unlock := e.lock("k", true)
	e.lock("k", false)
	other := e.lock("k2", true)
	unlock()
	unlock() // harmless
	again := e.lock("k", true)
	unlock() // not its lock any more
	e.lock("k", false)
	e.Advance(2 * time.Minute)
	third := e.lock("k", true)
	again() // ended long ago
	e.lock("k", false)
	third()
	other()
	if _, _, err := e.s.TryLock(e.ctx, "k", 0); chat.KindOf(err) != chat.Invalid {
		e.Errorf("a lock for ever: %v, want invalid", err)
	}
}

func testLockRace(e *sharedEnv) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 20 {
		wg.Go(func() {
			_, ok, err := e.s.TryLock(e.ctx, "k", time.Minute)
			if err != nil {
				e.Error(err)
			}
			if ok {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		e.Errorf("%d got the lock, want 1", won)
	}
}

func (e *sharedEnv) write(key chat.ConversationKey, l chat.Live, want bool) {
	e.Helper()
	read, err := e.s.Write(e.ctx, key, l)
	if err != nil || read != want {
		e.Errorf("write: read %v, %v, want %v", read, err, want)
	}
}

func (e *sharedEnv) read(key chat.ConversationKey, want chat.Live) {
	e.Helper()
	got, ok, err := e.s.ReadLive(e.ctx, key)
	if err != nil || got != want || ok != (want != chat.Live{}) {
		e.Errorf("live: %+v, %v, %v, want %+v", got, ok, err, want)
	}
}

func testLive(e *sharedEnv) {
	one := chat.Live{Message: "m1", Rev: 1, Text: "hé"}
	e.write(zhang, one, false) // nobody reads
	e.read(zhang, chat.Live{})
	other := zhang
	other.Channel = "bot"
	e.write(other, one, false)
	e.write(zhang, one, true)
	e.read(zhang, one)
	two := chat.Live{Message: "m1", Rev: 2, Text: "héllo\x00\"", Done: true}
	e.write(zhang, two, true)
	for range 4 { // each read keeps it alive, writes do not
		e.Advance(8 * time.Second)
		e.read(zhang, two)
	}
	e.Advance(8 * time.Second)
	e.write(zhang, one, true)
	e.Advance(8 * time.Second)
	e.write(zhang, two, false)
	e.read(zhang, chat.Live{})
}

func testLiveBounded(e *sharedEnv) {
	e.read(zhang, chat.Live{})
	e.write(zhang, chat.Live{Message: "m", Text: strings.Repeat("长", 1<<20)}, true)
	got, ok, err := e.s.ReadLive(e.ctx, zhang)
	if err != nil || !ok || len(got.Text) > 64<<10 || len(got.Text) < 64<<10-3 || strings.Trim(got.Text, "长") != "" {
		e.Errorf("live text of %d bytes, %v, %v, want whole runes of about 64 KiB", len(got.Text), ok, err)
	}
}

func (e *sharedEnv) feed(key chat.ConversationKey, after string, want ...string) {
	e.Helper()
	got, err := e.Read(e.ctx, key, after)
	if err != nil || !slices.Equal(got, want) {
		e.Errorf("feed after %q: %q, %v, want %q", after, got, err, want)
	}
}

func testFeed(e *sharedEnv) {
	app := func(id, payload string) {
		e.Helper()
		e.must(e.s.Append(e.ctx, zhang, id, []byte(payload), time.Hour))
	}
	e.feed(zhang, "")
	app("5-0", "a")
	app("5-1", "b\x00\xff")
	app("5-1", "again")
	app("4-9", "late")
	app("10-0", "")
	all := []string{"5-0 a", "5-1 b\x00\xff", "10-0 "}
	e.feed(zhang, "", all...)
	e.feed(zhang, "0", all...)
	e.feed(zhang, "5-0", all[1:]...)
	e.feed(zhang, "5-5", all[2:]...)
	e.feed(zhang, "10-0")
	e.feed(zhang, "99999999999-0")
	other := zhang
	other.ID = "li"
	e.feed(other, "")
	e.Advance(59 * time.Minute)
	app("11-0", "d") // starts the time anew
	e.Advance(59 * time.Minute)
	e.feed(zhang, "10-0", "11-0 d")
	e.Advance(2 * time.Minute)
	e.feed(zhang, "")
}

func testFeedBounds(e *sharedEnv) {
	for i := 1; i <= 1000; i++ {
		e.must(e.s.Append(e.ctx, zhang, fmt.Sprint(i, "-0"), []byte("x"), time.Hour))
	}
	got, err := e.Read(e.ctx, zhang, "")
	if err != nil || len(got) < 200 || len(got) > 400 || got[len(got)-1] != "1000-0 x" {
		e.Errorf("%d entries kept, %v, want the newest 200 or a little more", len(got), err)
	}
}

func testFeedRefuses(e *sharedEnv) {
	for _, id := range []string{"", "*", "1", "1-*", "0-0", "a-b", "-", "1-2-3", " 1-1", "-1-1", "99999999999999999999999-0", "1-1\n"} {
		if err := e.s.Append(e.ctx, zhang, id, []byte("x"), time.Hour); chat.KindOf(err) != chat.Invalid || err == nil {
			e.Errorf("append %q: %v, want invalid", id, err)
		}
		if id == "" || id == "0-0" {
			continue
		}
		if _, err := e.Read(e.ctx, zhang, id); chat.KindOf(err) != chat.Invalid || err == nil {
			e.Errorf("read after %q: %v, want invalid", id, err)
		}
	}
	if err := e.s.Append(e.ctx, zhang, "1-1", []byte("x"), 0); chat.KindOf(err) != chat.Invalid || err == nil {
		e.Errorf("a feed for ever: %v, want invalid", err)
	}
}

func testSharedEnds(e *sharedEnv) {
	if e.Keys == nil {
		e.Skip("there are no keys")
	}
	e.read(zhang, chat.Live{})
	e.write(zhang, chat.Live{Message: "m", Text: "x"}, true)
	e.must(e.s.SetToken(e.ctx, "k", chat.NewSecret("t"), time.Hour))
	e.lock("k", true)
	e.must(e.s.Append(e.ctx, zhang, "1-1", []byte("x"), time.Hour))
	keys := e.Keys()
	for key, ttl := range keys {
		if ttl < 0 {
			e.Errorf("%q is kept for ever", key)
		}
	}
	if len(keys) != 4 {
		e.Errorf("keys: %v, want 4", keys)
	}
	e.Advance(2 * time.Hour)
	if keys := e.Keys(); len(keys) != 0 {
		e.Errorf("left: %v", keys)
	}
}
