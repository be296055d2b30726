package all_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
	simllm "parley/internal/sim/llm"
)

// mishaps are ways to fail in which the vendor's last word on the usage reaches the caller, or never was said.
func mishaps(vendor simllm.Vendor, random *rand.Rand) []simllm.Rule {
	codes := vendor.Codes()
	code := func() string { return codes[random.IntN(len(codes))] }
	faults := []simllm.Fault{
		{Kind: simllm.FaultStatus, Code: code()}, {Kind: simllm.FaultStatus, Status: 502, Body: "<html>"}, {Kind: simllm.FaultBody, Code: code()},
		{Kind: simllm.FaultCut, After: random.IntN(5)}, {Kind: simllm.FaultCut, After: random.IntN(5), Usage: true}, {Kind: simllm.FaultTruncate, After: random.IntN(5)},
		{Kind: simllm.FaultTruncate, After: random.IntN(5), Usage: true}, {Kind: simllm.FaultDone, After: random.IntN(5), Usage: true},
		{Kind: simllm.FaultInline, Code: code(), After: random.IntN(5)}, {Kind: simllm.FaultInline, Code: code(), After: random.IntN(5), Usage: true},
		{Kind: simllm.FaultFinish, Code: "sensitive"}, {Kind: simllm.FaultFinish, Code: "content_filter"}, {Kind: simllm.FaultFinish, Code: "network_error"},
		{Kind: simllm.FaultFinish, Code: "length"}, {Kind: simllm.FaultFinish, Code: "wormhole"}, {Kind: simllm.FaultNoUsage}, {Kind: simllm.FaultCutUsage},
		{Kind: simllm.FaultCutUsage, Usage: true}, {Kind: simllm.FaultEmpty},
	}
	var list []simllm.Rule
	for _, f := range faults {
		list = append(list, simllm.Rule{Contains: fmt.Sprintf("祸%d。", len(list)), Fault: f})
	}
	return list
}

// Over many random calls, most of which fail in some way, the sum of what the client tells is the sum of what the vendor told, to the token,
// and so is every single call's.
func TestAccounting(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, name := range []string{"OpenAI", "OpenAI, h2c", "Azure deployment", "ChatGLM, JWT", "ChatGLM, h2c", "ERNIE"} {
		h := houses[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			rules := mishaps(h.vendor, random)
			sim, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{h.key}, Rules: rules})
			p := h.dial(t, origin)
			var mu sync.Mutex
			var sum chat.Usage
			told := map[string]chat.Usage{} // by question
			failed := 0
			var wg sync.WaitGroup
			slots := make(chan struct{}, 16)
			for i := range 600 {
				q := fmt.Sprintf("第%d问%s", i, strings.Repeat("长", random.IntN(40)))
				if k := random.IntN(len(rules) + 3); k < len(rules) {
					q += rules[k].Contains
				}
				var history []chat.Turn
				for n := range random.IntN(4) {
					history = append(history, chat.Turn{Question: fmt.Sprint("曾问", n), Answer: "曾答"})
				}
				wg.Go(func() {
					slots <- struct{}{}
					defer func() { <-slots }()
					var shown strings.Builder
					a, err := p.Complete(t.Context(), llm.Call{ID: fmt.Sprintf("turn.%d", i), Model: h.model, History: history, Question: q,
						Key: chat.NewSecret(h.key)},
						func(s string) error { shown.WriteString(s); return nil })
					if a.Text != shown.String() || (err == nil) != (a.FinishReason != "") {
						t.Errorf("%s: %+v, %v, shown %q", q, a, err, shown.String())
					}
					mu.Lock()
					defer mu.Unlock()
					told[q] = a.Usage
					sum = add(sum, a.Usage)
					if err != nil {
						failed++
					}
				})
			}
			wg.Wait()
			for sim.Stats().Running > 0 {
				time.Sleep(time.Millisecond) // a cut connection's handler ends a moment later
			}
			var want chat.Usage
			for _, e := range sim.Ledger() {
				one := chat.Usage{}
				if u := e.Usage; u != nil {
					one = chat.Usage{Input: u.Input, Cached: u.Cached, Output: u.Output, Reasoning: u.Reasoning}
				}
				if diff := cmp.Diff(one, told[e.Last]); diff != "" {
					t.Errorf("%s (%s, %s): %s", e.Last, e.Fault, e.Code, diff)
				}
				want = add(want, one)
			}
			if diff := cmp.Diff(want, sum); diff != "" || want.Output == 0 || failed < 200 {
				t.Errorf("%d failed: %s", failed, diff)
			}
			t.Logf("600 calls, %d failed, %+v", failed, sum)
		})
	}
}

func add(a, b chat.Usage) chat.Usage {
	return chat.Usage{Input: a.Input + b.Input, Cached: a.Cached + b.Cached, Output: a.Output + b.Output, Reasoning: a.Reasoning + b.Reasoning}
}

// Whoever leaves knows at least what came until then.
func TestLeavingTellsWhatCame(t *testing.T) {
	for name, h := range houses {
		t.Run(name, func(t *testing.T) {
			_, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{h.key}, Rules: []simllm.Rule{{Fault: simllm.Fault{Kind: simllm.FaultStall, After: 3, Usage: true}}}})
			left, pieces := errors.New("left"), 0
			a, err := h.dial(t, origin).Complete(t.Context(), llm.Call{ID: "t.1.1", Model: h.model, Question: "问", Key: chat.NewSecret(h.key)}, func(s string) error {
				if pieces++; pieces == 3 {
					return left
				}
				return nil
			})
			text := string([]rune(h.vendor.Answer(0, "问"))[:9])
			want := llm.Answer{Text: text, Usage: chat.Usage{Input: 1, Output: 9}}
			if diff := cmp.Diff(want, a); diff != "" || err != left { //nolint:errorlint // the very error is promised
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}
