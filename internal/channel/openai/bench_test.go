package openai

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"parley/internal/chat"
)

// BenchmarkChatCompletions measures requests over real connections to a server that answers at once, its callers included.
func BenchmarkChatCompletions(b *testing.B) {
	c := newCompany("acme")
	var pieces []string
	for range 20 {
		pieces = append(pieces, "这是回答。")
	}
	answer := says(chat.Reply{Text: "这是回答。", FinishReason: "stop", Usage: chat.Usage{Input: 9, Output: 9}}, pieces...)
	c.answer = func(ctx context.Context, want chat.Request, emit func(chat.Event)) error {
		c.mu.Lock()
		c.want = c.want[:0]
		c.mu.Unlock()
		return answer(ctx, want, emit)
	}
	server := httptest.NewServer(c.entry(b))
	defer server.Close()
	for _, stream := range []bool{false, true} {
		b.Run(fmt.Sprintf("stream %v", stream), func(b *testing.B) {
			body := fmt.Appendf(nil, `{"model":"chat","stream":%v,"messages":[{"role":"user","content":"你好"}]}`, stream)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := post(server, body); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func post(server *httptest.Server, body []byte) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+completions, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := server.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", resp.Status)
	}
	return err
}
