package conversation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// tardy is a store that ends a message at once and says so later. Meanwhile one claim in that message's shard fails.
type tardy struct {
	conversation.Store
	shard conversation.Shard
	fails atomic.Bool
}

func (s *tardy) Delivered(ctx context.Context, c conversation.Claim, part int, opt conversation.ClaimOptions) (conversation.Next, error) {
	next, err := s.Store.Delivered(ctx, c, part, opt)
	if next.Claim != nil {
		s.fails.Store(true)
		time.Sleep(3 * time.Second)
	}
	return next, err
}

func (s *tardy) Claim(
	ctx context.Context, shards []conversation.Shard, owner string, most int, opt conversation.ClaimOptions,
) ([]conversation.Claim, error) {
	if slices.Contains(shards, s.shard) && s.fails.CompareAndSwap(true, false) {
		return nil, chat.E(chat.Timeout, "tardy", errors.New("no answer"))
	}
	return s.Store.Claim(ctx, shards, owner, most, opt)
}

// A next message that was given back, because nobody here seemed to work on it, is computed by its new owner alone.
func TestNextMessageThatWasGivenBackMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = 5 * time.Second
		zhang := conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"})
		p := w.start(func(o *conversation.Options) { o.Store = &tardy{Store: w.store, shard: zhang} })
		w.say(p, "m1", "a")
		time.Sleep(time.Second)
		w.say(p, "m2", "b")
		for n := 0; n < 10; { // others in the shard, for whom it is claimed again and again
			key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("other", n, time.Now().UnixNano())}
			time.Sleep(time.Millisecond)
			if conversation.ShardOf(key) != zhang {
				continue
			}
			n++
			time.Sleep(500 * time.Millisecond)
			if err := p.Accept(t.Context(), chat.Message{ID: key.ID, Kind: chat.KindText, Text: "x", User: key.ID, Conversation: key}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		asked := 0
		w.llm.mu.Lock()
		defer w.llm.mu.Unlock()
		for _, c := range w.llm.calls {
			if c.Question == "b" {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("the model was asked %d times", asked)
		}
	})
}
