package openai

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	simllm "parley/internal/sim/llm"
)

// essay is a text of so many Chinese characters without repetition.
func essay(chars, from int) string {
	var b strings.Builder
	for i := range chars {
		if i%17 == 16 {
			b.WriteRune('，')
			continue
		}
		b.WriteRune(rune(0x4e00 + (from*7919+i*i*31+i*101)%5000))
	}
	return b.String()
}

// long is a call with a history of 20 turns, their answers of 600 characters.
func long() llm.Call {
	c := llm.Call{ID: "t.1.1", Model: "gpt-4o-mini", System: "你是一家公司的助手，回答要简短。", Question: essay(20, 99), User: "u7", MaxOutput: 2000,
		Key: chat.NewSecret("sk-bench")}
	for i := range 20 {
		c.History = append(c.History, chat.Turn{Question: essay(20, i), Answer: essay(600, i)})
	}
	return c
}

func BenchmarkRequest(b *testing.B) {
	p, err := New(llm.Endpoint{BaseURL: "http://x/v1"}, llm.Dialect{})
	if err != nil {
		b.Fatal(err)
	}
	c := long()
	b.ReportAllocs()
	for b.Loop() {
		req, err := p.newRequest(b.Context(), &c)
		if err != nil {
			b.Fatal(err)
		}
		_ = req.Body.Close()
	}
}

// stream is an answer of 600 characters in so many pieces, as OpenAI sends it.
func stream(pieces int) []byte {
	var b bytes.Buffer
	text := []rune(essay(600, 5))
	chunk := func(choices, usage string) {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-9xK","object":"chat.completion.chunk","created":1763870000,"model":"gpt-4o-mini-2024-07-18",`+
			`"service_tier":"default","system_fingerprint":"fp_44","choices":[%s],"usage":%s,"obfuscation":"a1B2c3"}`+"\n\n", choices, usage)
	}
	chunk(`{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}`, "null")
	for i := range pieces {
		chunk(fmt.Sprintf(`{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}`,
			string(text[i*len(text)/pieces:(i+1)*len(text)/pieces])), "null")
	}
	chunk(`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}`, "null")
	chunk("", `{"prompt_tokens":9000,"completion_tokens":600,"total_tokens":9600,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},`+
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`)
	b.WriteString("data: [DONE]\n\n")
	return b.Bytes()
}

func BenchmarkStream(b *testing.B) {
	for _, pieces := range []int{20, 200} {
		b.Run(fmt.Sprint(pieces), func(b *testing.B) {
			body := stream(pieces)
			b.ReportAllocs()
			for b.Loop() {
				a := &answer{dialect: &llm.Dialect{}, emit: ignore, cancel: func() {}}
				if err := a.gather(bytes.NewReader(body)); err != nil || a.text.Len() != 1800 || a.usage.Output != 600 {
					b.Fatal(err, a.text.Len(), a.usage)
				}
			}
		})
	}
}

// A whole call over HTTP/2; what the simulator spends is in it, too.
func BenchmarkCall(b *testing.B) {
	text := essay(600, 5)
	url, stop, err := simllm.New(simllm.Options{Pace: simllm.Pace{Chunks: 20}, Answer: func([]simllm.Message) string { return text }}).Start()
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	p, err := New(llm.Endpoint{BaseURL: url + "/v1", PriorKnowledge: true, Connect: 5 * time.Second}, llm.Dialect{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	c := long()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Complete(b.Context(), c, ignore); err != nil {
			b.Fatal(err)
		}
	}
}
