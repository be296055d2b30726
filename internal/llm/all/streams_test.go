package all_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
)

// Whatever the dialect, an answer is complete only if the stream says why it ended. The fixtures are openai's; those that are complete
// answers have names that say so.
func TestNothingHalfIsAnAnswer(t *testing.T) {
	files, err := filepath.Glob("../openai/testdata/*.sse")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, dialect := range documented {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".sse")
			t.Run(dialect+"/"+name, func(t *testing.T) {
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				url := raw(t, append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"), body...))
				p, err := all.Dialects()[dialect](llm.Endpoint{Name: "p", Dialect: dialect, BaseURL: url, Connect: 5 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				defer p.(interface{ Close() }).Close()
				var shown strings.Builder
				a, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, func(s string) error { shown.WriteString(s); return nil })
				if a.Text != shown.String() {
					t.Errorf("the answer holds %q, shown was %q", a.Text, shown.String())
				}
				complete := strings.HasPrefix(name, "complete")
				switch {
				case complete && (err != nil || strings.TrimSpace(a.Text) == "" || a.FinishReason == ""):
					t.Errorf("got %+v, %v", a, err)
				case !complete && (err == nil || a.FinishReason != ""):
					t.Errorf("delivered as complete: %+v, %v", a, err)
				}
			})
		}
	}
}

// What finishes an answer in each vendor's words, and what does not.
func TestFinishReasons(t *testing.T) {
	for _, test := range []struct {
		dialect, reason string
		means           string // the answer's finish reason, or the error's kind
	}{
		{"openai", "stop", "stop"}, {"openai", "length", "length"}, {"openai", "tool_calls", "stop"}, {"openai", "function_call", "stop"},
		{"openai", "content_filter", "rejected"}, {"openai", "whatever", "unavailable"},
		{"chatglm", "stop", "stop"}, {"chatglm", "length", "length"}, {"chatglm", "tool_calls", "stop"},
		{"chatglm", "sensitive", "rejected"}, {"chatglm", "network_error", "unavailable"},
		{"chatglm", "model_context_window_exceeded", "length"}, {"chatglm", "whatever", "unavailable"},
		{"ernie", "stop", "stop"}, {"ernie", "length", "length"}, {"ernie", "content_filter", "rejected"}, {"ernie", "tool_calls", "stop"},
		{"ernie", "model_context_window_exceeded", "unavailable"}, {"ernie", "whatever", "unavailable"},
	} {
		t.Run(test.dialect+" "+test.reason, func(t *testing.T) {
			p, _ := answers(t, test.dialect, 200, `data: {"choices":[{"index":0,"delta":{"content":"好"},"finish_reason":"`+test.reason+`"}],`+
				`"usage":{"prompt_tokens":3,"completion_tokens":1}}`+"\n\ndata: [DONE]\n\n")
			a, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, ignore)
			got := a.FinishReason
			if err != nil {
				got = chat.KindOf(err).String()
			}
			if want := (chat.Usage{Input: 3, Output: 1}); got != test.means || a.Text != "好" || a.Usage != want {
				t.Errorf("got %q, %+v", got, a)
			}
		})
	}
}
