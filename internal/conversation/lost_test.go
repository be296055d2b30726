package conversation_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// lossy carries steps out and loses their answers, as a network does that breaks after the request.
type lossy struct {
	conversation.Store
	claims, commits, delivered atomic.Int32 // answers still to be lost
}

func lost() error { return chat.E(chat.Timeout, "test.lossy", nil) }

func (l *lossy) Claim(ctx context.Context, s []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	cs, err := l.Store.Claim(ctx, s, owner, n, o)
	if len(cs) > 0 && l.claims.Add(-1) >= 0 {
		return nil, lost()
	}
	return cs, err
}

func (l *lossy) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	next, err := l.Store.Commit(ctx, c, o)
	if l.commits.Add(-1) >= 0 {
		return conversation.Next{}, lost()
	}
	return next, err
}

func (l *lossy) Delivered(ctx context.Context, c conversation.Claim, part int, o conversation.ClaimOptions) (conversation.Next, error) {
	next, err := l.Store.Delivered(ctx, c, part, o)
	if l.delivered.Add(-1) >= 0 {
		return conversation.Next{}, lost()
	}
	return next, err
}

func TestLostAnswersOfTheStoreLoseAndRepeatNothing(t *testing.T) {
	for name, lose := range map[string]func(*lossy){
		"claim":           func(l *lossy) { l.claims.Store(1) },
		"three claims":    func(l *lossy) { l.claims.Store(3) },
		"commit":          func(l *lossy) { l.commits.Store(2) },
		"delivered":       func(l *lossy) { l.delivered.Store(2) },
		"one of each":     func(l *lossy) { l.claims.Store(1); l.commits.Store(1); l.delivered.Store(1) },
		"delivered often": func(l *lossy) { l.delivered.Store(7) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				l := &lossy{Store: w.store}
				lose(l)
				p := w.start(func(o *conversation.Options) { o.Store = l })
				w.say(p, "1", "one")
				w.say(p, "2", "two")
				w.say(p, "3", "three")
				settle(30 * time.Second)
				shown(t, w, "re: one (0)", "re: two (1)", "re: three (2)")
				if n := w.llm.asked(); n != 3 {
					t.Errorf("the model was asked %d times for three turns", n)
				}
			})
		})
	}
}

// A claim whose request was delayed is carried out when its caller has long given up. Another conversation keeps the shard's lease alive.
func TestAClaimThatIsCarriedOutLaterIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = 20 * time.Second
		p := w.start()
		w.say(p, "1", "one") // runs, and has its shard renewed
		settle(time.Second)
		quiet := w.start()
		quiet.stop() // accepts without working
		key := sameShard(t)
		if err := quiet.Accept(context.Background(), chat.Message{ID: "2", Kind: chat.KindText, Text: "two", Conversation: key, User: key.ID}); err != nil {
			t.Fatal(err)
		}
		cs, err := w.store.Claim(context.Background(), []conversation.Shard{conversation.ShardOf(key)}, p.Owner, 10, conversation.ClaimOptions{Lease: 4 * time.Second})
		if err != nil || len(cs) != 1 {
			t.Fatalf("claimed %d, %v", len(cs), err)
		}
		settle(time.Minute)
		shown(t, w, "re: one (0)", "re: two (0)")
	})
}

// lateClaims answers claims late. Whoever does not wait hears nothing, and the claim is carried out all the same.
type lateClaims struct{ conversation.Store }

func (s lateClaims) Claim(ctx context.Context, sh []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	late := time.NewTimer(300 * time.Millisecond)
	defer late.Stop()
	select {
	case <-ctx.Done():
		_, _ = s.Store.Claim(context.WithoutCancel(ctx), sh, owner, n, o)
		return nil, chat.E(chat.Canceled, "test.late", ctx.Err())
	case <-late.C:
		return s.Store.Claim(ctx, sh, owner, n, o)
	}
}

func TestAShutdownLeavesNothingThatAClaimTook(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(func(o *conversation.Options) { o.Store = lateClaims{w.store} })
		w.say(p, "1", "one")
		settle(100 * time.Millisecond)
		p.stop() // while the claim is under way
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
		if held, err := w.store.Owned(context.Background(), conversation.ShardOf(key), p.Owner); err != nil || len(held) > 0 {
			t.Errorf("a process that has left holds %v (%v)", held, err)
		}
	})
}

// A process that stood still works on a message that others have answered since, and a late claim makes the same conversation its own again:
// what it counts is what the store counts.
func TestALateClaimOfWhatRunsIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = 20 * time.Second
		l := &lossy{Store: w.store}
		p := w.start(func(o *conversation.Options) { o.Store = l })
		w.say(p, "1", "one")
		settle(time.Second)
		w.say(p, "2", "two")
		ctx, shards := context.Background(), []conversation.Shard{conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"})}
		opt := conversation.ClaimOptions{Lease: time.Minute}
		held, err := w.store.Owned(ctx, shards[0], p.Owner)
		if err != nil || len(held) != 1 {
			t.Fatalf("it holds %v, %v", held, err)
		}
		give := func(owner string, fence int64) error {
			return w.store.Release(ctx, conversation.Claim{Shard: shards[0], Owner: owner, Handle: held[0].Handle, Fence: fence})
		}
		if err := give(p.Owner, held[0].Fence); err != nil {
			t.Fatal(err)
		}
		cs, err := w.store.Claim(ctx, shards, "other", 1, opt)
		if err != nil || len(cs) != 1 {
			t.Fatalf("claimed %d, %v", len(cs), err)
		}
		next, err := w.store.Commit(ctx, cs[0], conversation.Outcome{Claim: opt})
		if err != nil || next.Claim == nil {
			t.Fatalf("committed: %+v, %v", next, err)
		}
		if err := give("other", next.Claim.Fence); err != nil {
			t.Fatal(err)
		}
		if cs, err := w.store.Claim(ctx, shards, p.Owner, 1, opt); err != nil || len(cs) != 1 {
			t.Fatalf("claimed %d, %v", len(cs), err)
		}
		l.claims.Store(1)
		if err := p.Accept(ctx, chat.Message{ID: "3", Kind: chat.KindText, Text: "three", Conversation: sameShard(t), User: "li"}); err != nil {
			t.Fatal(err)
		}
		settle(10 * time.Second)
		if n := w.llm.asked(); n != 3 {
			t.Errorf("the model was asked %d times while the first call was under way, want for each of three messages", n)
		}
	})
}

// sameShard names another conversation in the shard of the harness's one.
func sameShard(t *testing.T) chat.ConversationKey {
	t.Helper()
	key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
	want := conversation.ShardOf(key)
	for range 1000 {
		key.ID += "x"
		if conversation.ShardOf(key) == want {
			return key
		}
	}
	t.Fatal("no other conversation in the shard")
	return key
}
