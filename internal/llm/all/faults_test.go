package all_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	simllm "parley/internal/sim/llm"
)

// Every fault of the simulator, over a connection, once with visible text and once without: who answers, or why nobody does.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		fault   simllm.Fault
		visible bool // text came before the fault
		answer  bool // of the first provider, in spite of the fault
		kind    chat.Kind
	}{
		{"429", simllm.Fault{Kind: simllm.FaultStatus, Status: 429, Code: "rate_limit_exceeded", RetryAfter: 3}, false, false, 0},
		{"500", simllm.Fault{Kind: simllm.FaultStatus, Status: 500}, false, false, 0},
		{"502 with HTML", simllm.Fault{Kind: simllm.FaultStatus, Status: 502, Body: "<html>bad gateway</html>"}, false, false, 0},
		{"quota", simllm.Fault{Kind: simllm.FaultStatus, Status: 429, Code: "insufficient_quota"}, false, false, 0},
		{"no header", simllm.Fault{Kind: simllm.FaultHang}, false, false, 0},
		{"200 with an error", simllm.Fault{Kind: simllm.FaultBody, Code: "server_is_overloaded"}, false, false, 0},
		{"200 with an old error", simllm.Fault{Kind: simllm.FaultBody, Body: `{"error_code":18}`}, false, false, 0},
		{"cut at once", simllm.Fault{Kind: simllm.FaultCut}, false, false, 0},
		{"cut", simllm.Fault{Kind: simllm.FaultCut, After: 2}, true, false, chat.Unavailable},
		{"truncated", simllm.Fault{Kind: simllm.FaultTruncate, After: 2}, true, false, chat.Unavailable},
		{"truncated at the very end", simllm.Fault{Kind: simllm.FaultTruncate, After: 1000}, true, false, chat.Unavailable},
		{"[DONE] alone", simllm.Fault{Kind: simllm.FaultDone, After: 2}, true, false, chat.Unavailable},
		{"silence at once", simllm.Fault{Kind: simllm.FaultStall}, false, false, 0},
		{"silence", simllm.Fault{Kind: simllm.FaultStall, After: 2}, true, false, chat.Timeout},
		{"error event at once", simllm.Fault{Kind: simllm.FaultInline, Code: "server_error"}, false, false, 0},
		{"error event", simllm.Fault{Kind: simllm.FaultInline, Code: "server_error", After: 2}, true, false, chat.Unavailable},
		{"empty", simllm.Fault{Kind: simllm.FaultEmpty}, false, false, 0},
		{"refused content", simllm.Fault{Kind: simllm.FaultFinish, Code: "content_filter"}, true, false, chat.Rejected},
		{"finished by length", simllm.Fault{Kind: simllm.FaultFinish, Code: "length"}, true, true, 0},
		{"no usage", simllm.Fault{Kind: simllm.FaultNoUsage}, true, true, 0},
	} {
		for _, http2 := range []string{"", ", http2: prior-knowledge"} {
			for _, deltas := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s%s deltas=%v", test.name, http2, deltas), func(t *testing.T) {
					t.Parallel()
					deadlines := "deadlines: {connect: 20s, first_token: 20s, idle: 20s, turn: 60s}"
					if test.fault.Kind == simllm.FaultHang || test.fault.Kind == simllm.FaultStall {
						deadlines = "deadlines: {connect: 20s, first_token: 2s, idle: 2s, turn: 60s}"
					}
					_, first := startSim(t, simllm.Options{Rules: []simllm.Rule{{Fault: test.fault}}})
					spare, second := startSim(t, simllm.Options{})
					r := newRig(t, fmt.Sprintf(`
providers:
  first: {dialect: openai, base_url: %s/v1%s}
  spare: {dialect: openai, base_url: %s/v1%s}
models: {chat: [first/m, spare/m]}
%s`, first, http2, second, http2, deadlines), nil)
					got, err := r.ask(t.Context(), chat.Request{Tenant: "t", Turn: "1", Model: "chat", Question: "好吗", Deltas: deltas})
					// Text that nobody saw voids nothing: then the spare provider answers as well.
					falls := !test.answer && (!test.visible || !deltas && test.kind != chat.Rejected)
					switch {
					case test.answer || falls:
						if err != nil || got.reply.Text != simllm.Answer(0, "好吗") {
							t.Fatalf("got %q, %v", got.reply.Text, err)
						}
					case chat.KindOf(err) != test.kind:
						t.Fatalf("got %v, want %v", err, test.kind)
					}
					if n := len(spare.Ledger()); falls != (n == 1) {
						t.Errorf("the spare provider was called %d times", n)
					}
				})
			}
		}
	}
}

// When the person leaves, the provider's stream ends as well: an abandoned answer must not be paid for to its end.
func TestLeavingEndsTheStream(t *testing.T) {
	for _, http2 := range []string{"", ", http2: prior-knowledge"} {
		sim, url := startSim(t, simllm.Options{Pace: simllm.Pace{Between: time.Hour}})
		r := newRig(t, fmt.Sprintf("providers: {p: {dialect: openai, base_url: %s/v1%s}}\nmodels: {chat: [p/m]}", url, http2), nil)
		ctx, cancel := context.WithCancel(t.Context())
		err := r.Complete(ctx, chat.Request{Model: "chat", Question: "q", Deltas: true}, func(e chat.Event) error {
			if e.Kind == chat.Delta {
				cancel()
			}
			return nil
		})
		if chat.KindOf(err) != chat.Canceled {
			t.Errorf("got %v", err)
		}
		for sim.Stats().Ended == 0 {
			time.Sleep(time.Millisecond)
		}
		if e := sim.Ledger()[0]; e.Outcome != simllm.Cancelled {
			t.Errorf("the stream is %s", e.Outcome)
		}
	}
}
