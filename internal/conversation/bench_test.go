package conversation_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
	"parley/internal/telemetry"
)

// hall is a tenant of many people, its model, and its platform, which takes everything. It gives every claim a history of its own memory, as a
// store does that is another process.
type hall struct {
	*memstore.Store
	company
	turns int
	ready chan struct{} // one for each turn that waits for its answer
	open  chan struct{} // closed, or nil: answers come
	sent  chan struct{} // one for each part
	asked atomic.Int64
}

func (h *hall) Outlet(string, string) (conversation.Outlet, bool) { return h, true }
func (h *hall) Parts(_ chat.Message, text string, _ int64) ([]chat.Part, error) {
	return []chat.Part{chat.Part(text)}, nil
}
func (h *hall) Resendable(time.Duration) bool { return true }
func (h *hall) Pace() chat.Pace               { return chat.Pace{} }
func (h *hall) Live() time.Duration           { return 0 }
func (h *hall) Send(context.Context, chat.Message, chat.Part) error {
	h.sent <- struct{}{}
	return nil
}

func (h *hall) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	h.asked.Add(int64(len(req.History)))
	if h.open != nil {
		return h.wait(ctx, emit)
	}
	return h.company.Complete(ctx, req, emit)
}

func (h *hall) wait(ctx context.Context, emit func(chat.Event)) (chat.Reply, error) {
	emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "openai", Model: "gpt-4o"}})
	h.ready <- struct{}{}
	select {
	case <-h.open:
		return chat.Reply{Text: "answer"}, nil
	case <-ctx.Done():
		return chat.Reply{}, ctx.Err()
	}
}

func (h *hall) past() []chat.Turn {
	out := make([]chat.Turn, h.turns)
	for i := range out {
		out[i] = chat.Turn{Question: strings.Repeat("问", 20), Answer: strings.Repeat("答", 600), QuestionTokens: 20, AnswerTokens: 600}
	}
	return out
}

func (h *hall) Claim(ctx context.Context, sh []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	cs, err := h.Store.Claim(ctx, sh, owner, n, o)
	for i := range cs {
		cs[i].History = h.past()
	}
	return cs, err
}

// start runs a service; post has the next n people say something.
func (h *hall) start(b *testing.B, people int) (post func(n int)) {
	h.Store = memstore.New(time.Now)
	h.t = chat.Tenant{
		Name: "acme", Model: "chat", System: "be brief", History: chat.HistoryLimits{Turns: 20, Bytes: 64 << 10, TTL: time.Hour},
		Limits: chat.TenantLimits{MaxWait: 5 * time.Minute, TurnsInFlight: 100000},
	}
	h.sent = make(chan struct{}, 1000)
	s := conversation.New(conversation.Options{
		Store: h, Complete: h, Directory: h, Owner: "o", Log: telemetry.Discard().Log, Metrics: prometheus.NewRegistry(),
		Turns: 100000, Lease: time.Minute, Grace: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	b.Cleanup(func() { cancel(); wg.Wait() })
	said := 0
	return func(n int) {
		for range n {
			said++
			key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("person", said%people)}
			m := chat.Message{ID: fmt.Sprint(said), Kind: chat.KindText, Text: "在吗？", Conversation: key, User: key.ID}
			if err := s.Accept(b.Context(), m); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkTurn is a message from Accept to its answer's only part, with nothing between but memory.
func BenchmarkTurn(b *testing.B) {
	h := &hall{}
	post := h.start(b, 100)
	b.ReportAllocs()
	for b.Loop() {
		post(1)
		<-h.sent
	}
}

// BenchmarkWaiting is what a turn holds in the conversation service while it waits for its answer.
func BenchmarkWaiting(b *testing.B) {
	for _, past := range []int{0, 20} {
		b.Run(fmt.Sprint("past=", past), func(b *testing.B) {
			const n = 2000
			for b.Loop() {
				h := &hall{turns: past, ready: make(chan struct{}, n), open: make(chan struct{})}
				post := h.start(b, n)
				before, routines := weigh(), runtime.NumGoroutine()
				post(n)
				for range n {
					<-h.ready
				}
				after := weigh()
				b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/n, "heap-B/turn")
				b.ReportMetric(float64(after.StackInuse-before.StackInuse)/n, "stack-B/turn")
				b.ReportMetric(float64(runtime.NumGoroutine()-routines)/n, "goroutines/turn")
				close(h.open)
				for range n {
					<-h.sent
				}
			}
		})
	}
}

func weigh() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
