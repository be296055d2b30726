package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

func TestWhole(t *testing.T) {
	reply := chat.Reply{Text: "好\n\"的\"", FinishReason: "length", Usage: chat.Usage{Input: 7, Cached: 2, Output: 5, Reasoning: 1}}
	var got, want any
	if err := json.Unmarshal(head{"chatcmpl-1", 1700000000, "chat"}.whole(nil, reply), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"chat","system_fingerprint":null,
		"choices":[{"index":0,"message":{"role":"assistant","content":"好\n\"的\"","refusal":null},"logprobs":null,"finish_reason":"length"}],
		"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2},
		"completion_tokens_details":{"reasoning_tokens":1}}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestChunks reads a stream as its form wants it, byte by byte where clients do.
func TestChunks(t *testing.T) {
	reply := chat.Reply{Text: "ab", FinishReason: "stop", Usage: chat.Usage{Input: 3, Output: 2}}
	const chunk = `{"id":"i","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":null,"choices":[`
	const cost = `{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}`
	for name, tt := range map[string]struct {
		usage bool
		want  []string
	}{
		"without usage": {false, []string{
			chunk + `{"index":0,"delta":{"role":"assistant","refusal":null,"content":"a"},"logprobs":null,"finish_reason":null}]}`,
			chunk + `{"index":0,"delta":{"content":"b"},"logprobs":null,"finish_reason":null}]}`,
			chunk + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`,
			"[DONE]",
		}},
		"with usage": {true, []string{
			chunk + `{"index":0,"delta":{"role":"assistant","refusal":null,"content":"a"},"logprobs":null,"finish_reason":null}],"usage":null}`,
			chunk + `{"index":0,"delta":{"content":"b"},"logprobs":null,"finish_reason":null}],"usage":null}`,
			chunk + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}`,
			chunk + `],"usage":` + cost + `}`,
			"[DONE]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChunks(head{"i", 5, "m"}, tt.usage)
			var all bytes.Buffer
			all.Write(c.piece("a", true))
			all.Write(c.piece("b", false))
			all.Write(c.end(reply))
			var got []string
			for event := range strings.SplitSeq(strings.TrimSuffix(all.String(), "\n\n"), "\n\n") {
				data, ok := strings.CutPrefix(event, "data: ")
				if !ok || data != "[DONE]" && !json.Valid([]byte(data)) {
					t.Errorf("not an event: %q", event)
				}
				got = append(got, data)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// BenchmarkPiece is what an answer's piece of six characters costs between the server's event and the connection.
func BenchmarkPiece(b *testing.B) {
	c := newChunks(head{"chatcmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1700000000, "chat"}, true)
	b.ReportAllocs()
	for b.Loop() {
		if len(c.piece("这是回答。\n", false)) == 0 {
			b.Fatal("nothing")
		}
	}
}
