package openai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley/internal/chat"
	"parley/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is what a caller learns of one call.
type outcome struct {
	Answer llm.Answer
	Text   string // as it was emitted
	Kind   string
	Code   string
	Says   string // part of the error's text
}

func call(ctx context.Context, t *testing.T, url string) (llm.Answer, string, error) {
	t.Helper()
	p, err := New(llm.Endpoint{Name: "p", BaseURL: url, Connect: 5 * time.Second}, llm.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var text strings.Builder
	a, err := p.Complete(ctx, llm.Call{Model: "m", Question: "q", Key: chat.NewSecret(canary)}, func(s string) error {
		text.WriteString(s)
		return nil
	})
	return a, text.String(), err
}

const canary = "sk-canary-0123456789abcdef"

func check(t *testing.T, want outcome, a llm.Answer, text string, err error) {
	t.Helper()
	got := outcome{Answer: a, Text: text}
	if err != nil {
		e, ok := errors.AsType[*chat.Error](err)
		if !ok {
			t.Fatalf("%v (%T) is no *chat.Error", err, err)
		}
		got.Kind, got.Code, got.Says = e.Kind.String(), e.Code, err.Error()
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows the key: %v", err)
		}
		if strings.Contains(got.Says, want.Says) {
			got.Says = want.Says
		}
		want.Answer.Text = want.Text // what came until the failure is what emit was given
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

var (
	usage    = chat.Usage{Input: 12, Cached: 8, Output: 5, Reasoning: 2}
	complete = outcome{Answer: llm.Answer{Text: "你好，世界", FinishReason: "stop", Usage: usage}, Text: "你好，世界"}
	unused   = outcome{Answer: llm.Answer{Text: "你好，世界", FinishReason: "stop"}, Text: "你好，世界"}
)

// streams are answers with status 200, byte for byte, one file each.
var streams = map[string]outcome{
	"complete": complete, "complete-crlf": complete, "complete-no-space": complete, "complete-no-blank-lines": complete, "complete-bom": complete,
	"complete-no-done":                   complete,
	"complete-last-line-without-newline": complete,
	"complete-no-usage":                  unused,
	"complete-usage-zero":                unused,
	"complete-error-after-finish":        unused,
	"complete-error-null":                unused,
	"complete-reasoning":                 unused,
	"complete-azure-prompt-filter":       unused,
	"complete-two-choices":               unused,
	"complete-usage-in-last-chunk":       {Answer: llm.Answer{Text: "你好，世界", FinishReason: "stop", Usage: chat.Usage{Input: 12, Output: 5}}, Text: "你好，世界"},
	"complete-text-in-last-chunk":        {Answer: llm.Answer{Text: "你好，世界", FinishReason: "length"}, Text: "你好，世界"},
	"complete-refusal":                   {Answer: llm.Answer{Text: "我不能回答", FinishReason: "stop"}, Text: "我不能回答"},
	"truncated-clean-end":                {Text: "你好，世界", Kind: "unavailable", Says: "after 15 bytes without a finish_reason: the answer is cut"},
	"truncated-done-only":                {Text: "你好，世界", Kind: "unavailable", Says: "[DONE] came without a finish_reason: the answer is cut"},
	"truncated-half-line":                {Text: "你好", Kind: "unavailable", Says: "the stream broke after 6 bytes: unexpected EOF"},
	"truncated-after-role":               {Kind: "unavailable", Says: "the stream ended without an answer"},
	"empty-body":                         {Kind: "unavailable", Says: "the stream ended without an answer"},
	"empty-done":                         {Kind: "unavailable", Says: "[DONE] came without a finish_reason"},
	"empty-answer-stop":                  {Answer: llm.Answer{Usage: usage}, Kind: "unavailable", Code: llm.CodeEmpty, Says: "the model finished without a word"},
	"empty-answer-blanks":                {Text: " \n", Kind: "unavailable", Code: llm.CodeEmpty, Says: "the model finished without a word"},
	"error-200-code":                     {Kind: "unavailable", Code: "18", Says: "HTTP 200"},
	"error-200-code-no-newline":          {Kind: "unavailable", Code: "18", Says: "HTTP 200"},
	"error-200-object":                   {Kind: "billing", Code: "insufficient_quota", Says: "HTTP 200, type insufficient_quota"},
	"error-200-object-no-newline":        {Kind: "billing", Code: "insufficient_quota", Says: "HTTP 200, type insufficient_quota"},
	"error-200-pretty":                   {Kind: "rate_limited", Code: "rate_limit_exceeded", Says: "HTTP 200"},
	"error-200-legacy-msg":               {Kind: "rate_limited", Code: "rate_limit_exceeded", Says: "HTTP 200"},
	"error-200-string":                   {Kind: "unavailable", Says: "HTTP 200"},
	"error-200-flat":                     {Kind: "invalid", Code: "400", Says: "HTTP 200, type BadRequestError"},
	"error-200-html":                     {Kind: "unavailable", Says: "200 with something that is no event stream"},
	"error-midstream":                    {Text: "你好", Kind: "unavailable", Code: "server_error", Says: "type server_error"},
	"error-midstream-after-comment":      {Text: "你好", Kind: "unavailable", Code: "server_error", Says: "type server_error"},
	"error-midstream-after-event":        {Text: "你好", Kind: "unavailable", Code: "server_error", Says: "type server_error"},
	"error-midstream-without-newline":    {Text: "你好", Kind: "unavailable", Code: "server_error", Says: "type server_error"},
	"error-midstream-named-event":        {Text: "你好", Kind: "overloaded", Code: "overloaded_error", Says: "type overloaded_error"},
	"error-midstream-space":              {Text: "你好", Kind: "overloaded", Code: "server_is_overloaded", Says: "type server_error"},
	"error-midstream-not-first":          {Text: "你好", Kind: "too_large", Code: "context_length_exceeded", Says: "HTTP 200"},
	"error-midstream-string":             {Text: "你好", Kind: "unavailable", Says: "HTTP 200"},
	"error-midstream-number":             {Text: "你好", Kind: "rate_limited", Code: "429", Says: "HTTP 200"},
	"error-midstream-malformed":          {Text: "你好", Kind: "unavailable", Says: "no valid JSON of a completion"},
	"error-finish-sensitive":             {Text: "你好", Kind: "rejected", Code: "sensitive", Says: "did not finish"},
	"error-finish-content-filter":        {Text: "你好", Kind: "rejected", Code: "content_filter", Says: "did not finish"},
	"error-finish-network":               {Text: "你好", Kind: "unavailable", Code: "network_error", Says: "did not finish"},
	"error-finish-sensitive-usage":       {Answer: llm.Answer{Usage: chat.Usage{Input: 12, Output: 5}}, Text: "你好", Kind: "rejected", Code: "sensitive", Says: "did not finish"},
	"error-finish-filter-usage":          {Answer: llm.Answer{Usage: usage}, Text: "你好", Kind: "rejected", Code: "content_filter", Says: "did not finish"},
	"error-midstream-usage":              {Answer: llm.Answer{Usage: chat.Usage{Input: 12, Output: 3}}, Text: "你好", Kind: "unavailable", Code: "server_error", Says: "type server_error"},
	"truncated-usage":                    {Answer: llm.Answer{Usage: chat.Usage{Input: 12, Output: 2}}, Text: "你好", Kind: "unavailable", Says: "the answer is cut"},
	"empty-answer-usage":                 {Answer: llm.Answer{Usage: chat.Usage{Input: 12, Output: 9, Reasoning: 9}}, Kind: "unavailable", Code: llm.CodeEmpty, Says: "the model finished without a word"},
	"error-finish-unknown":               {Text: "你好", Kind: "unavailable", Code: "wormhole", Says: "did not finish"},
}

func TestStreams(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sse")
	if err != nil || len(files) != len(streams) {
		t.Fatalf("%d files, %d expectations: %v", len(files), len(streams), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sse")
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := streams[name]
		if !ok {
			t.Fatalf("no expectation for %s", name)
		}
		t.Run(name, func(t *testing.T) {
			for how, pieces := range map[string]int{"at once": len(body), "in pieces": 7} {
				t.Run(how, func(t *testing.T) {
					url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Content-Type", "text/event-stream")
						writePieces(w, body, pieces)
					})
					a, text, err := call(t.Context(), t, url)
					check(t, want, a, text, err)
				})
			}
		})
	}
}

// writePieces flushes often, so that lines and runes arrive cut.
func writePieces(w http.ResponseWriter, body []byte, size int) {
	for len(body) > 0 {
		n := min(size, len(body))
		_, _ = w.Write(body[:n])
		w.(http.Flusher).Flush()
		body = body[n:]
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name + ".sse")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestKeepAlives(t *testing.T) {
	pings := strings.Repeat(": ping\n\n", 5000)
	full := bytes.ReplaceAll(fixture(t, "complete"), []byte("data: "), []byte(pings+"event: message\nid: 7\nretry: 3000\ndata: "))
	for name, test := range map[string]struct {
		body []byte
		want outcome
	}{
		"between chunks": {full, complete},
		"nothing else":   {[]byte(pings), outcome{Kind: "unavailable", Says: "the stream ended without an answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(test.body) })
			a, text, err := call(t.Context(), t, url)
			check(t, test.want, a, text, err)
		})
	}
}

func TestCutConnection(t *testing.T) {
	for name, test := range map[string]struct {
		fixture string
		want    outcome
	}{
		"before any chunk":     {"empty-body", outcome{Kind: "unavailable", Says: "the stream broke after 0 bytes: unexpected EOF"}},
		"in the answer":        {"truncated-clean-end", outcome{Text: "你好，世界", Kind: "unavailable", Says: "the stream broke after 15 bytes: unexpected EOF"}},
		"in a line":            {"truncated-half-line", outcome{Text: "你好", Kind: "unavailable", Says: "the stream broke after 6 bytes: unexpected EOF"}},
		"in the usage":         {"complete-no-usage", unused},
		"after an error event": {"error-midstream", outcome{Text: "你好", Kind: "unavailable", Code: "server_error", Says: "type server_error"}},
	} {
		t.Run(name, func(t *testing.T) {
			body := bytes.TrimSuffix(fixture(t, test.fixture), []byte("data: [DONE]\n\n"))
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(body)
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})
			a, text, err := call(t.Context(), t, url)
			check(t, test.want, a, text, err)
		})
	}
}

// What goes wrong after the finish_reason costs the usage, not the answer: here the stream just stays open.
func TestSilenceAfterFinish(t *testing.T) {
	body := bytes.TrimSuffix(fixture(t, "complete-no-usage"), []byte("data: [DONE]\n\n"))
	for name, tail := range map[string]string{"no usage": "", "no end": "data: [DONE]\n\n"} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write(append(bytes.Clone(body), tail...))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
			a, text, err := call(t.Context(), t, url)
			check(t, unused, a, text, err)
		})
	}
}

func TestLimits(t *testing.T) {
	line := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 100_000) + `"},"finish_reason":null}]}` + "\n\n"
	for name, test := range map[string]struct {
		body string
		says string
	}{
		"a line of 1 MiB":       {"data: " + strings.Repeat("x", maxLine), "a line of the stream is longer than 1 MiB"},
		"a comment of 1 MiB":    {": " + strings.Repeat("x", maxLine), "a line of the stream is longer than 1 MiB"},
		"an answer of 4 MiB":    {strings.Repeat(line, 50), "the answer is longer than 4194304 bytes"},
		"1 MiB that is no data": {strings.Repeat("junk\n", 300_000), "200 with something that is no event stream"},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(test.body)) })
			_, _, err := call(t.Context(), t, url)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
	t.Run("a long line is whole", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(line))
			_, _ = w.Write(fixture(t, "complete-no-usage"))
		})
		a, _, err := call(t.Context(), t, url)
		if err != nil || a.Text != strings.Repeat("x", 100_000)+"你好，世界" {
			t.Errorf("%d bytes, %v", len(a.Text), err)
		}
	})
}

func TestEmitEnds(t *testing.T) {
	stop := errors.New("nobody listens")
	left := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(fixture(t, "truncated-clean-end"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(left)
	})
	p, err := New(llm.Endpoint{BaseURL: url, Connect: time.Second}, llm.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	n := 0
	_, err = p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, func(string) error { n++; return stop })
	if err != stop || n != 1 { //nolint:errorlint // the very error is promised
		t.Errorf("got %v after %d pieces, want %v after 1", err, n, stop)
	}
	<-left
}

func TestContextEnds(t *testing.T) {
	for name, headers := range map[string]bool{"before the headers": false, "within the stream": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // net/http looks for the caller's end only behind the body
				if headers {
					w.(http.Flusher).Flush()
				}
				cancel()
				<-r.Context().Done()
			})
			_, _, err := call(ctx, t, url)
			if chat.KindOf(err) != chat.Canceled {
				t.Errorf("got %v, want canceled", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://%s/secret-path", l.Addr())
	_ = l.Close()
	_, _, err = call(t.Context(), t, url)
	if chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("got %v", err)
	}
}
