//go:build !race

package conversation_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
	"parley/internal/telemetry"
)

// held is a completer that answers nobody before it is let go.
type held struct{ in, out chan struct{} }

func (h held) Complete(ctx context.Context, _ chat.Request, _ func(chat.Event)) (chat.Reply, error) {
	h.in <- struct{}{}
	<-h.out
	return chat.Reply{Text: "yes"}, nil
}

// TestStackOfAWaitingTurn: what a turn holds while its answer comes is its goroutine's stack above all, and a stack is as large as a power of
// two. A frame that copies claims or outcomes on that way doubles it.
func TestStackOfAWaitingTurn(t *testing.T) {
	const turns, most = 1000, 9 << 10
	w := newWorld(t)
	w.store = memstore.New(time.Now)
	h := held{make(chan struct{}), make(chan struct{})}
	s := conversation.New(conversation.Options{
		Store: w.store, Complete: h, Directory: w, Owner: "it", Log: telemetry.Discard().Log, Metrics: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	stacks := func() int {
		var m runtime.MemStats
		for range 3 { // a stack is halved by a collection
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int(m.StackInuse)
	}
	before := stacks()
	for i := range turns {
		m := chat.Message{ID: fmt.Sprint(i), Kind: chat.KindText, Text: "?", User: fmt.Sprint(i)}
		m.Conversation = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: m.User}
		if err := s.Accept(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	for range turns {
		<-h.in
	}
	if each := (stacks() - before) / turns; each > most {
		t.Errorf("a waiting turn holds %d bytes of stack, want %d at most", each, most)
	} else {
		t.Logf("a waiting turn holds %d bytes of stack", each)
	}
	close(h.out)
	cancel()
	<-done
}
