package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fullRequest is what a person with 20 turns of 600 characters behind him costs.
func fullRequest(b *testing.B) []byte {
	b.Helper()
	list := []map[string]string{{"role": "system", "content": "你是公司的助手。"}}
	for range 20 {
		list = append(list, map[string]string{"role": "user", "content": "【问 m00001.7】请回答。"},
			map[string]string{"role": "assistant", "content": strings.Repeat("这里是以前的回答，说得比较详细一些。\n", 32)})
	}
	list = append(list, map[string]string{"role": "user", "content": "最后一问"})
	body, err := json.Marshal(map[string]any{"model": "gpt-4o-mini", "stream": true, "user": "u", "messages": list, "stream_options": map[string]bool{"include_usage": true}})
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// nowhere takes a response as net/http would, without a connection.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Flush()                      {}

// BenchmarkStream is one answer in 20 chunks, without what HTTP costs.
func BenchmarkStream(b *testing.B) {
	s := New(Options{Pace: Pace{Chunks: 20}, Answer: func([]Message) string {
		return strings.Repeat("这里是现在的回答，说得比较详细一些。\n", 32)
	}})
	body := fullRequest(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/v1/chat/completions", bytes.NewReader(body))
		s.ServeHTTP(nowhere{http.Header{}}, r)
	}
}
