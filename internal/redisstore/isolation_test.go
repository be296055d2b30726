package redisstore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

var (
	isolationOps  = flag.Int("isolation-ops", 5000, "random steps of 50 tenants whose keys are looked at")
	isolationSeed = flag.Uint64("isolation-seed", 0, "of the steps; 0: another one each time")
)

// TestTenantsKeepToTheirKeys has 50 tenants take random steps, with ids that look like others' keys, and looks at every key that Redis is asked
// for, by Parley and by its scripts: whoever acts for one tenant touches that tenant's keys alone.
func TestTenantsKeepToTheirKeys(t *testing.T) {
	if *isolationSeed == 0 {
		*isolationSeed = rand.Uint64()
	}
	t.Logf("again with: -isolation-seed %d", *isolationSeed)
	addr := startRedis(t)
	var tenants []*actor
	m := &monitor{t: t, owner: map[string]string{}}
	for i := range 50 {
		a := &actor{
			name:  strings.Repeat("t", 1+i%5) + []string{"", "-", "-1", "-11", "0"}[i/5%5] + []string{"", "x"}[i/25], // each begins like others
			store: open(t, Options{Addrs: []string{addr}, PoolSize: 1}),
			dice:  rand.New(rand.NewPCG(*isolationSeed, uint64(i))),
		}
		tenants = append(tenants, a)
	}
	for _, a := range tenants {
		for _, b := range tenants {
			a.others = append(a.others, b.name)
		}
	}
	m.start(addr)
	var failed, steps atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for _, a := range tenants {
		wg.Go(func() {
			for range *isolationOps / len(tenants) {
				if err := a.step(t.Context()); err != nil {
					if failed.Add(1) < 10 {
						t.Errorf("%s: %v", a.name, err)
					}
				}
				steps.Add(1)
			}
		})
	}
	wg.Wait()
	m.finish(tenants[0].store)
	t.Logf("%d steps of %d tenants in %v: %d commands, %d of them by scripts, touched %d keys, all their own",
		steps.Load(), len(tenants), time.Since(began).Round(time.Second), m.commands, m.scripted, m.keys)
	served := map[string]bool{}
	for _, tenant := range m.owner {
		served[tenant] = true
	}
	if len(served) != len(tenants) {
		t.Errorf("keys of %d tenants were seen", len(served))
	}
	if m.keys < int(steps.Load()) || m.scripted < int(steps.Load()) {
		t.Error("too few keys were seen: the monitor misses something")
	}
}

// actor takes one tenant's steps, one after the other.
type actor struct {
	name   string
	others []string
	store  *Store
	dice   *rand.Rand
	held   []conversation.Claim
	n      int
}

// word is an id as the outside gives them: mostly plain, often another tenant's key or a piece of one.
func (a *actor) word() string {
	other := a.others[a.dice.IntN(len(a.others))]
	return []string{
		fmt.Sprint("w", a.dice.IntN(20)), other, "{" + other + ":03}:n", "}:{" + other + ":00}:m", root + "{" + other + "}:budget:turns", other + "/wecom/ww1",
		"a\nb\r\n" + other, "\x00" + other, strings.Repeat(other+":", 40), "*", "%7B" + other + "%7D", "会话" + other,
	}[a.dice.IntN(12)]
}

func (a *actor) key() chat.ConversationKey {
	return chat.ConversationKey{Tenant: a.name, Channel: []string{"app", "web", "}:{"}[a.dice.IntN(3)], ID: a.word()}
}

// step is one call of the store. Being fenced off, and what a step says of bad arguments, is no failure here.
func (a *actor) step(ctx context.Context) (err error) {
	a.n++
	s, opt := a.store, conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 5}
	switch a.dice.IntN(17) {
	case 0, 1, 2, 3:
		m := chat.Message{ID: fmt.Sprint(a.n, a.word()), User: a.word(), Kind: chat.KindText, Text: a.word(), Conversation: a.key()}
		_, err = s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour, Waiting: 1000, UserPerMinute: 10, Stop: a.dice.IntN(10) == 0, Merge: func(conversation.Waiting) (chat.Message, bool) {
			return m, true
		}})
	case 4, 5:
		claims, cerr := s.Claim(ctx, allShards(a.name), a.owner(), 2, opt)
		a.held, err = append(a.held, claims...), cerr
	case 6, 7, 8:
		err = a.turn(ctx, opt)
	case 9:
		_, err = s.Renew(ctx, a.owner(), allShards(a.name), time.Minute)
	case 10:
		_, err = s.Reap(ctx, allShards(a.name))
		if err == nil {
			_, err = s.Owned(ctx, conversation.Shard{Tenant: a.name, Index: a.dice.IntN(conversation.Shards)}, a.owner())
		}
	case 11:
		_, err = s.Stats(ctx, a.name)
		if err == nil {
			err = a.dead(ctx)
		}
	case 12:
		err = a.money(ctx)
	case 13:
		key := a.key()
		if _, err = s.Write(ctx, key, chat.Live{Message: a.word(), Rev: int64(a.n), Text: a.word()}); err == nil {
			_, _, err = s.ReadLive(ctx, key)
		}
	case 14:
		key := a.key()
		if err = s.Append(ctx, key, fmt.Sprint(a.n, "-1"), []byte(a.word()), time.Minute); err == nil {
			_, err = s.Read(ctx, key, "")
		}
	case 15:
		err = a.token(ctx)
	case 16:
		err = a.small(ctx)
	}
	return err
}

// small is what channels keep besides tokens. Nobody serves what is asked.
func (a *actor) small(ctx context.Context) error {
	key := a.name + "/" + a.word() + "/" + a.word()
	if _, err := a.store.RememberFirst(ctx, key, a.word(), time.Minute); err != nil {
		return err
	}
	if _, err := a.store.Recall(ctx, key); err != nil {
		return err
	}
	if _, _, err := a.store.Take(ctx, key, chat.Pace{Burst: 1, Every: time.Millisecond}, 0); err != nil {
		return err
	}
	if a.dice.IntN(10) == 0 {
		if _, err := a.store.Ask(ctx, key, []byte(a.word()), time.Millisecond); chat.KindOf(err) != chat.Unavailable {
			return fmt.Errorf("asked nobody: %w", err)
		}
	}
	return nil
}

func (a *actor) owner() string { return []string{"o", a.others[0], "}:{"}[a.dice.IntN(3)] }

// turn commits, delivers or gives back something that is held.
func (a *actor) turn(ctx context.Context, opt conversation.ClaimOptions) error {
	if len(a.held) == 0 {
		return nil
	}
	i := a.dice.IntN(len(a.held))
	c := a.held[i]
	a.held = append(a.held[:i], a.held[i+1:]...)
	switch a.dice.IntN(12) {
	case 0, 1, 2:
		return a.store.Release(ctx, c)
	case 3:
		next, err := a.store.GiveUp(ctx, c, a.word(), time.Minute, opt)
		return a.goOn(next, err)
	case 4:
		a.held = append(a.held, c)
		_, err := a.store.Forget(ctx, c, a.word())
		return a.goOn(conversation.Next{}, err)
	}
	o := conversation.Outcome{
		Turn: &chat.Turn{Question: a.word(), Answer: a.word()}, Parts: []chat.Part{chat.Part(a.word())}, User: a.word(),
		Keep: conversation.Keep{Turns: 5, TTL: time.Minute, Dead: time.Minute}, Claim: opt,
		Spent: []chat.Spend{{Provider: a.word(), Model: a.word(), Usage: chat.Usage{Input: 1}}},
	}
	if a.dice.IntN(5) == 0 {
		o.Parts, o.Dead = nil, a.word()
	}
	next, err := a.store.Commit(ctx, c, o)
	if err == nil && len(o.Parts) > 0 {
		switch a.dice.IntN(3) {
		case 0:
			return a.goOn(conversation.Next{}, a.store.Postpone(ctx, c, conversation.Postponement{For: time.Millisecond, Tries: 1}))
		case 1:
			if _, err = a.store.Intend(ctx, c, chat.Pace{}); err != nil {
				return a.goOn(conversation.Next{}, err)
			}
		}
		next, err = a.store.Delivered(ctx, c, 0, opt)
	}
	return a.goOn(next, err)
}

// goOn keeps what a step claimed. To be fenced off is no failure.
func (a *actor) goOn(next conversation.Next, err error) error {
	if next.Claim != nil {
		a.held = append(a.held, *next.Claim)
	}
	if errors.Is(err, conversation.ErrFenced) {
		return nil
	}
	return err
}

// dead does what operators do with dead letters.
func (a *actor) dead(ctx context.Context) error {
	letters, err := a.store.DeadLetters(ctx, a.name, 10)
	if err != nil || len(letters) == 0 {
		return err
	}
	act := a.store.Retry
	if a.dice.IntN(2) == 0 {
		act = a.store.Drop
	}
	_, err = act(ctx, []conversation.DeadID{letters[a.dice.IntN(len(letters))].ID})
	return err
}

func (a *actor) money(ctx context.Context) error {
	r := conversation.Reservation{Tenant: a.name, User: a.word(), Turn: a.word(), Fence: int64(a.n), Tokens: 10, For: time.Minute, PerDay: 1000, UserCap: 100}
	if _, err := a.store.Reserve(ctx, r); err != nil {
		return err
	}
	day := conversation.DayOf(time.Now())
	if _, err := a.store.Budget(ctx, a.name, r.User, day); err != nil {
		return err
	}
	if _, err := a.store.Usage(ctx, a.name, day); err != nil {
		return err
	}
	return a.store.Settle(ctx, r, 5)
}

func (a *actor) token(ctx context.Context) error {
	key, secret := a.name+"/wecom/"+a.word(), chat.NewSecret(a.word())
	unlock, ok, err := a.store.TryLock(ctx, key, time.Minute)
	if err != nil || !ok {
		return err
	}
	defer unlock()
	if err := a.store.SetToken(ctx, key, secret, time.Minute); err != nil {
		return err
	}
	if _, err := a.store.Token(ctx, key); err != nil {
		return err
	}
	return a.store.DropToken(ctx, key, secret)
}
