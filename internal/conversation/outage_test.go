package conversation_test

import (
	"context"
	"fmt"
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
