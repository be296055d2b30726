package conversation_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// forgetful is a store that cannot be read at times.
type forgetful struct {
	conversation.Store
	reads, fails atomic.Int64
}

func (f *forgetful) History(ctx context.Context, c conversation.Claim, turns int) ([]chat.Turn, error) {
	if f.reads.Add(1) <= f.fails.Load() {
		return nil, chat.E(chat.Unavailable, "test.history", nil)
	}
	return f.Store.History(ctx, c, turns)
}

// Servers that fail after they began leave the turn to others, with the history that it had.
func TestHistoryForTheNextServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		store := &forgetful{Store: w.store}
		w.llm.fail = func(call int) error {
			if call == 3 || call == 4 {
				return &chat.Error{Kind: chat.Unavailable, Op: "test", Code: chat.CodeInstance}
			}
			return nil
		}
		p := w.start(func(o *conversation.Options) { o.Store = store })
		w.say(p, "1", "one")
		time.Sleep(2 * time.Second)
		if n := store.reads.Load(); n != 0 {
			t.Errorf("a turn that went well read the history %d times more", n)
		}
		w.say(p, "2", "two")
		time.Sleep(2 * time.Second)
		store.fails.Store(2)
		w.say(p, "3", "three")
		time.Sleep(10 * time.Second)
		if got, want := w.out.texts(), []string{"re: one (0)", "re: two (1)", "re: three (2)"}; !slices.Equal(got, want) {
			t.Errorf("shown %q, want %q", got, want)
		}
		if n := store.reads.Load(); n != 4 {
			t.Errorf("the history was read %d times more, want 4: two failed, and one for each of two servers", n)
		}
		p.stop()
	})
}
