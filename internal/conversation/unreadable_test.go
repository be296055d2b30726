package conversation_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// strangeStore has conversations that nobody can read.
type strangeStore struct {
	conversation.Store
	asked int // for books
}

func (s *strangeStore) Claim(ctx context.Context, shards []conversation.Shard, owner string, most int, opt conversation.ClaimOptions) ([]conversation.Claim, error) {
	cs, err := s.Store.Claim(ctx, shards, owner, most, opt)
	strange := &conversation.Unreadable{Err: chat.E(chat.Internal, "claim", errors.New("of a later release"))}
	for _, name := range []string{"app:li", "app:wu"} {
		strange.Held = append(strange.Held, conversation.Held{Shard: shards[0], Handle: name})
	}
	return cs, errors.Join(err, strange)
}

func (s *strangeStore) Owned(ctx context.Context, sh conversation.Shard, owner string) ([]conversation.Held, error) {
	s.asked++
	return s.Store.Owned(ctx, sh, owner)
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func TestWhatCannotBeReadIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		var log lockedBuffer
		reg := prometheus.NewRegistry()
		var store *strangeStore
		p := w.start(func(o *conversation.Options) {
			store = &strangeStore{Store: o.Store}
			o.Store, o.Metrics, o.Log = store, reg, slog.New(slog.NewTextHandler(&log, nil))
		})
		time.Sleep(time.Minute)
		w.say(p, "m1", "hello")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := len(w.out.texts()); n != 1 {
			t.Errorf("%d replies: what cannot be read keeps others from theirs", n)
		}
		log.Lock()
		said := log.String()
		log.Unlock()
		shards := map[string]bool{} // each claim names its own first shard: there are 16
		for line := range strings.Lines(said) {
			if strings.Contains(line, "cannot be read") {
				if shards[line[strings.Index(line, "tenant="):]] {
					t.Errorf("said again: %s", line)
				}
				shards[line[strings.Index(line, "tenant="):]] = true
			}
		}
		if len(shards) == 0 || len(shards) > 2*conversation.Shards {
			t.Errorf("said %d times", len(shards))
		}
		if strings.Contains(said, "app:li") {
			t.Error("a log names a person")
		}
		if n := counterOf(t, reg, "parley_unreadable_total"); n < 100 { // 2 conversations each time, twice a second, for a minute
			t.Errorf("counted %v", n)
		}
		if store.asked > 0 {
			t.Errorf("the books were compared %d times: the store is well", store.asked)
		}
	})
}

func counterOf(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
