package conversation_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/telemetry"
)

// hall is a tenant of many people, its model, and its platform, which takes everything. Its store does next to nothing, and gives every claim a
// history of its own memory, as one does that is another process. About whom it is asked wait (see waits), everybody else is answered at once.
type hall struct {
	conversation.Store
	company
	turns int
	ready chan struct{} // one for each turn that waits for its answer
	open  chan struct{} // closed: those who wait get it
	sent  chan struct{} // one for each part

	mu    sync.Mutex
	boxes [conversation.Shards][]chat.Message
	fence int64
}

func (h *hall) Accept(_ context.Context, m chat.Message, _ conversation.AcceptOptions) (conversation.Accepted, error) {
	sh := conversation.ShardOf(m.Conversation)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.boxes[sh.Index] = append(h.boxes[sh.Index], m)
	return conversation.Accepted{Ready: true, Shard: sh}, nil
}

func (h *hall) Claim(_ context.Context, shards []conversation.Shard, owner string, most int, _ conversation.ClaimOptions) (cs []conversation.Claim, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, sh := range shards {
		box := h.boxes[sh.Index]
		n := min(most, len(box))
		h.boxes[sh.Index] = box[n:]
		for _, m := range box[:n] {
			h.fence++
			cs = append(cs, conversation.Claim{
				Key: m.Conversation, Shard: sh, Owner: owner, Handle: m.Conversation.ID, Fence: h.fence, Attempt: 1,
				Message: conversation.Waiting{Message: m, AcceptedAt: now}, Now: now, History: h.past(),
			})
		}
	}
	return cs, nil
}

func (h *hall) Look(_ context.Context, shards []conversation.Shard) (out []conversation.Found, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sh := range shards {
		out = append(out, conversation.Found{Shard: sh, Ready: len(h.boxes[sh.Index])})
	}
	return out, nil
}

func (h *hall) Seat(_ context.Context, _ string, asks []conversation.SeatAsk, _ time.Duration) (map[string]conversation.Seated, error) {
	out := map[string]conversation.Seated{}
	for _, a := range asks {
		held := min(a.Limit, a.Need+a.Spare)
		out[a.Tenant] = conversation.Seated{Held: held, Free: a.Limit - held}
	}
	return out, nil
}

func (h *hall) Commit(context.Context, conversation.Claim, conversation.Outcome) (n conversation.Next, _ error) {
	return n, nil
}

func (h *hall) Delivered(context.Context, conversation.Claim, int, conversation.ClaimOptions) (n conversation.Next, _ error) {
	return n, nil
}

func (h *hall) Renew(context.Context, string, []conversation.Shard, time.Duration) (r conversation.Renewed, _ error) {
	return r, nil
}
func (h *hall) Reap(context.Context, []conversation.Shard) (int, error)       { return 0, nil }
func (h *hall) Release(context.Context, conversation.Claim) error             { return nil }
func (h *hall) Stats(context.Context, string) (s conversation.Stats, _ error) { return s, nil }

func (h *hall) Spend(context.Context, conversation.Claim, string, []chat.Spend) error { return nil }

func (h *hall) Stops(ctx context.Context, _ string, _ func() []string) <-chan conversation.Held {
	out := make(chan conversation.Held)
	context.AfterFunc(ctx, func() { close(out) })
	return out
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
	if req.Question == waits {
		return h.wait(ctx, emit)
	}
	return h.company.Complete(ctx, req, emit)
}

// waits is what those say whose answers take long.
const waits = "Wie lange noch?"

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

// start runs a service; post has somebody say something.
func (h *hall) start(b *testing.B) (post func(text string)) {
	h.t = chat.Tenant{
		Name: "acme", Model: "chat", System: "be brief", History: chat.HistoryLimits{Turns: 20, Bytes: 64 << 10, TTL: time.Hour},
		Limits: chat.TenantLimits{MaxWait: 5 * time.Minute, TurnsInFlight: 100000},
	}
	h.ready, h.open, h.sent = make(chan struct{}, 1000), make(chan struct{}), make(chan struct{}, 1000)
	s := conversation.New(conversation.Options{
		Store: h, Complete: h, Directory: h, Owner: "o", Log: telemetry.Discard().Log, Metrics: prometheus.NewRegistry(), Turns: 100000, Grace: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	b.Cleanup(func() { cancel(); wg.Wait() })
	said := 0
	return func(text string) {
		said++
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("person", said)}
		m := chat.Message{ID: fmt.Sprint(said), Kind: chat.KindText, Text: text, Conversation: key, User: key.ID}
		if err := s.Accept(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// fill has n people wait for their answers.
func (h *hall) fill(post func(string), n int) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			<-h.ready
		}
	})
	for range n {
		post(waits)
	}
	wg.Wait()
}

// BenchmarkTurn is a message from Accept to its answer's only part, while others wait for theirs.
func BenchmarkTurn(b *testing.B) {
	for _, waiting := range []int{0, 500, 50000} {
		b.Run(fmt.Sprint("waiting=", waiting), func(b *testing.B) {
			h := &hall{}
			post := h.start(b)
			h.fill(post, waiting)
			b.ReportAllocs()
			for b.Loop() {
				post("在吗？")
				<-h.sent
			}
		})
	}
}

// BenchmarkWaiting is what a turn holds in the conversation service while it waits for its answer.
func BenchmarkWaiting(b *testing.B) {
	for _, past := range []int{0, 20} {
		b.Run(fmt.Sprint("past=", past), func(b *testing.B) {
			const n = 2000
			for b.Loop() {
				h := &hall{turns: past}
				post := h.start(b)
				before, routines := weigh(), runtime.NumGoroutine()
				h.fill(post, n)
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
