// Package llmtest is the conformance suite of [llm.Provider]: what the service relies on, whoever answers.
package llmtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"parley/internal/chat"
	"parley/internal/llm"
)

// Call is a good call that the suite makes with small changes.
func Call() llm.Call {
	return llm.Call{ID: "turn.1.1", Model: "m", System: "你是助手", Question: "第二个问题", User: "u",
		History: []chat.Turn{{Question: "第一个问题", Answer: "第一个回答"}}}
}

// Run checks a provider that answers every call completely, in at least two pieces, with a text that contains the question.
func Run(t *testing.T, p llm.Provider) {
	t.Run("complete", func(t *testing.T) { complete(t, p) })
	t.Run("an error of emit comes back as it is", func(t *testing.T) { emitEnds(t, p) })
	t.Run("a canceled context", func(t *testing.T) { canceled(t, p) })
	t.Run("calls do not mix", func(t *testing.T) { concurrent(t, p) })
}

func complete(t *testing.T, p llm.Provider) {
	var pieces []string
	a, err := p.Complete(t.Context(), Call(), func(s string) error { pieces = append(pieces, s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(pieces, ""); a.Text != text || len(pieces) < 2 {
		t.Errorf("the answer is %q, its %d pieces are %q", a.Text, len(pieces), text)
	}
	if a.FinishReason != "stop" || !strings.Contains(a.Text, "第二个问题") {
		t.Errorf("got %+v", a)
	}
}

func emitEnds(t *testing.T, p llm.Provider) {
	stop, n := errors.New("stop"), 0
	var shown string
	a, err := p.Complete(t.Context(), Call(), func(s string) error { shown += s; n++; return stop })
	if err != stop || n != 1 { //nolint:errorlint // the very error is promised
		t.Errorf("got %v after %d pieces, want %v after 1", err, n, stop)
	}
	if a.FinishReason != "" || a.Text != shown {
		t.Errorf("an answer that was cut short after %q: %+v", shown, a)
	}
}

// canceled tries until the cancellation comes first: an answer may have arrived whole by then, and is as good as any.
func canceled(t *testing.T, p llm.Provider) {
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		var shown string
		a, err := p.Complete(ctx, Call(), func(s string) error { shown += s; cancel(); return nil })
		if err == nil && a.FinishReason != "" && a.Text == shown {
			continue
		}
		if _, ok := errors.AsType[*chat.Error](err); !ok || a.FinishReason != "" || a.Text != shown {
			t.Errorf("got %+v and %v, want a *chat.Error and %q, no complete answer", a, err, shown)
		}
		return
	}
	t.Error("calls end well although nobody waits for them any more")
}

func concurrent(t *testing.T, p llm.Provider) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c := Call()
			c.Question = fmt.Sprintf("问题-%d-完", i)
			a, err := p.Complete(t.Context(), c, func(string) error { return nil })
			if err != nil || !strings.Contains(a.Text, c.Question) {
				t.Errorf("%s: got %q, %v", c.Question, a.Text, err)
			}
		})
	}
	wg.Wait()
}
