package conversation_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// outage: while it is on, nothing of the store answers.
type outage struct {
	conversation.Store
	on *atomic.Bool
}

func (o outage) err() error {
	if o.on.Load() {
		return chat.E(chat.Unavailable, "test", nil)
	}
	return nil
}

func (o outage) Renew(ctx context.Context, owner string, s []conversation.Shard, l time.Duration) (conversation.Renewed, error) {
	if err := o.err(); err != nil {
		return conversation.Renewed{}, err
	}
	return o.Store.Renew(ctx, owner, s, l)
}

func (o outage) Reap(ctx context.Context, s []conversation.Shard) (int, error) {
	if err := o.err(); err != nil {
		return 0, err
	}
	return o.Store.Reap(ctx, s)
}

func (o outage) Claim(ctx context.Context, s []conversation.Shard, owner string, n int, c conversation.ClaimOptions) ([]conversation.Claim, error) {
	if err := o.err(); err != nil {
		return nil, err
	}
	return o.Store.Claim(ctx, s, owner, n, c)
}

// The store is away for longer than a lease in the middle of an answer: its owner lives and must not be thought dead, by itself or others.
func TestAnOutageOfTheStoreReapsNobodyAlive(t *testing.T) {
	for i := range 20 {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.llm.delay = 30 * time.Second
			var on atomic.Bool
			with := func(o *conversation.Options) { o.Store = outage{w.store, &on} }
			p := w.start(with)
			if i%2 == 0 {
				w.start(with)
			}
			w.say(p, "1", "one")
			settle(5 * time.Second)
			on.Store(true)
			settle(6 * time.Second)
			on.Store(false)
			settle(2 * time.Minute)
			if n := w.llm.asked(); n != 1 {
				t.Errorf("the model was asked %d times", n)
			}
			shown(t, w, "re: one (0)")
		})
	}
}

// slowRelease gives back as slowly as a busy disk lets it.
type slowRelease struct{ conversation.Store }

func (s slowRelease) Release(ctx context.Context, c conversation.Claim) error {
	time.Sleep(5 * time.Millisecond)
	return s.Store.Release(ctx, c)
}

func TestGivingBackManyConversationsCostsNoLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = 6 * time.Second
		p := w.start(func(o *conversation.Options) { o.Store = slowRelease{w.store}; o.Lease = time.Second })
		w.say(p, "1", "one")
		settle(500 * time.Millisecond)
		quiet := w.start()
		quiet.stop()
		sh := conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"})
		for i, n := 0, 0; n < 400; i++ {
			k := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint(i)}
			if conversation.ShardOf(k) != sh {
				continue
			}
			n++
			m := chat.Message{ID: fmt.Sprint("m", i), Kind: chat.KindText, Text: "/help", Conversation: k, User: "u"}
			if err := quiet.Accept(context.Background(), m); err != nil {
				t.Fatal(err)
			}
		}
		// claims of a request that had timed out, carried out late
		cs, err := w.store.Claim(context.Background(), []conversation.Shard{sh}, p.Owner, 1000, conversation.ClaimOptions{Lease: time.Second})
		if err != nil || len(cs) != 400 {
			t.Fatalf("claimed %d, %v", len(cs), err)
		}
		settle(time.Minute)
		if n := w.llm.asked(); n != 1 {
			t.Errorf("the running turn was asked %d times", n)
		}
		if n := len(w.out.texts()); n != 401 {
			t.Errorf("%d replies to 401 messages", n)
		}
	})
}

// badShard: one shard of tenant zzz never answers, as when a cluster's node is down; the rest is healthy.
type badShard struct{ conversation.Store }

func (s badShard) Claim(ctx context.Context, sh []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	bad := conversation.Shard{Tenant: "zzz"}
	good := slices.DeleteFunc(slices.Clone(sh), func(x conversation.Shard) bool { return x == bad })
	cs, err := s.Store.Claim(ctx, good, owner, n, o)
	if err == nil && len(good) < len(sh) {
		err = &conversation.PartError{Shards: []conversation.Shard{bad}, Err: chat.E(chat.Unavailable, "test", nil)}
	}
	return cs, err
}

func TestAShardThatIsDownStopsNoTakeoverElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := two{newWorld(t)}
		a := w.start(func(o *conversation.Options) { o.Directory = w })
		a.store.kill("complete", false)
		w.say(a, "aaa", "zhang", "1", "one")
		w.say(a, "zzz", "zhang", "1", "two") // another shard of the same tenant
		settle(time.Second)
		w.start(func(o *conversation.Options) { o.Directory, o.Store = w, badShard{w.store} })
		settle(time.Minute)
		got := w.out.texts()
		slices.Sort(got)
		if want := []string{"re: one (0)", "re: two (0)"}; !slices.Equal(got, want) {
			t.Errorf("shown %q, want %q", got, want)
		}
	})
}

// silent takes no conversation back.
type silent struct{ conversation.Store }

func (silent) Release(context.Context, conversation.Claim) error {
	time.Sleep(900 * time.Millisecond)
	return chat.E(chat.Timeout, "test", nil)
}

func TestAShutdownEndsInTimeAlsoWithASilentStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := two{newWorld(t)}
		w.llm.delay = time.Minute
		p := w.start(func(o *conversation.Options) { o.Directory, o.Store = w, silent{w.store} })
		for i := range 2000 {
			w.say(p, "aaa", fmt.Sprint(i), fmt.Sprint(i), "q")
		}
		settle(5 * time.Second)
		began := time.Now()
		p.stop()
		if d := time.Since(began); d > 15*time.Second { // the grace of 5 s, the handover's 5 s, a call that is under way
			t.Errorf("ended after %v", d)
		}
		w.llm.delay = time.Millisecond
	})
}

// lateRenewal: while hold is on, renewals and reaps wait and claims do not. (A mutex would stop the simulated clock.)
type lateRenewal struct {
	conversation.Store
	hold atomic.Bool
}

func (l *lateRenewal) wait() {
	for l.hold.Load() {
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *lateRenewal) Renew(ctx context.Context, owner string, s []conversation.Shard, d time.Duration) (conversation.Renewed, error) {
	l.wait()
	return l.Store.Renew(ctx, owner, s, d)
}

func (l *lateRenewal) Reap(ctx context.Context, s []conversation.Shard) (int, error) {
	l.wait()
	return l.Store.Reap(ctx, s)
}

func TestALossThatAClaimHidesIsSeen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = 30 * time.Second
		l := &lateRenewal{Store: w.store}
		p := w.start(func(o *conversation.Options) { o.Store = l })
		w.say(p, "1", "one")
		settle(2 * time.Second)
		l.hold.Store(true)
		settle(6 * time.Second)
		ctx := context.Background()
		key := sameShard(t)
		sh := []conversation.Shard{conversation.ShardOf(key)}
		if n, err := w.store.Reap(ctx, sh); n != 1 || err != nil {
			t.Fatalf("reaped %d, %v", n, err)
		}
		if cs, err := w.store.Claim(ctx, sh, "other", 10, conversation.ClaimOptions{Lease: time.Hour}); len(cs) != 1 || err != nil {
			t.Fatalf("claimed %d, %v", len(cs), err)
		}
		if err := p.Accept(ctx, chat.Message{ID: "2", Kind: chat.KindText, Text: "two", Conversation: key, User: key.ID}); err != nil {
			t.Fatal(err)
		}
		settle(time.Second) // p claims it, which makes its lease anew
		l.hold.Store(false)
		settle(5 * time.Second)
		if n := p.Running(); n != 1 {
			t.Errorf("it works on %d conversations and owns 1", n)
		}
		settle(time.Minute)
	})
}
