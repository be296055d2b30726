package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// part is a finished answer as the stream brings it.
type part struct {
	ID, Message, Question, Text string
	Images                      int
}

// browser does what the page does, over one address.
type browser struct {
	*testing.T
	base   string
	cookie string

	mu      sync.Mutex
	parts   []part
	live    map[string]int // updates by message
	shown   []string       // what they showed
	opened  int            // streams
	changed chan struct{}
}

// open signs in.
func open(t *testing.T, addr string) *browser {
	t.Helper()
	b := &browser{T: t, base: "http://" + addr + "/chat/acme/web", live: map[string]int{}, changed: make(chan struct{}, 1)}
	res, err := b.do(t.Context(), http.MethodPost, "/login", fmt.Sprintf(`{"token":%q}`, token), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusNoContent || len(res.Cookies()) != 1 {
		t.Fatalf("sign-in: %s", res.Status)
	}
	b.cookie = res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
	return b
}

// at is the same browser at another address.
func (b *browser) at(addr string) *browser {
	return &browser{T: b.T, base: "http://" + addr + "/chat/acme/web", cookie: b.cookie, live: map[string]int{}, changed: make(chan struct{}, 1)}
}

func (b *browser) do(ctx context.Context, method, path, body, after string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", b.cookie)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	return http.DefaultClient.Do(req)
}

// watch keeps a stream open until ctx ends: whenever one breaks, the next resumes after the newest part seen.
func (b *browser) watch(ctx context.Context) {
	after := ""
	for ctx.Err() == nil {
		if res, err := b.do(ctx, http.MethodGet, "/events", "", after); err == nil {
			if res.StatusCode == http.StatusOK {
				b.mu.Lock()
				b.opened++
				b.mu.Unlock()
				after = b.read(res.Body, after)
			}
			_ = res.Body.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (b *browser) read(body io.Reader, after string) string {
	name := ""
	for in := bufio.NewScanner(body); in.Scan(); {
		field, value, _ := strings.Cut(in.Text(), ": ")
		switch {
		case field == "event":
			name = value
		case field == "id":
			after = value
		case field == "data" && name == "part":
			b.take(value)
		case field == "data" && name == "live":
			var l struct{ Message, Text string }
			if json.Unmarshal([]byte(value), &l) == nil {
				b.mu.Lock()
				b.live[l.Message]++
				b.shown = append(b.shown, l.Text)
				b.mu.Unlock()
			}
		}
	}
	return after
}

func (b *browser) take(data string) {
	var p part
	if err := json.Unmarshal([]byte(data), &p); err != nil {
		b.Errorf("part %s: %v", data, err)
		return
	}
	b.mu.Lock()
	b.parts = append(b.parts, p)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// say sends a message until it is stored, with one id, as the page's button does.
func (b *browser) say(ctx context.Context, id, text string, images ...string) {
	body, err := json.Marshal(map[string]any{"id": id, "text": text, "images": pictures(images)})
	if err != nil {
		b.Error(err)
		return
	}
	for ctx.Err() == nil {
		res, err := b.do(ctx, http.MethodPost, "/messages", string(body), "")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
			if res.StatusCode != http.StatusServiceUnavailable {
				b.Errorf("message %s: %s", id, res.Status)
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func pictures(base64 []string) []map[string]string {
	var list []map[string]string
	for _, data := range base64 {
		list = append(list, map[string]string{"data": data})
	}
	return list
}

// await waits for the n-th part.
func (b *browser) await(ctx context.Context, n int) []part {
	b.Helper()
	for {
		b.mu.Lock()
		parts := append([]part(nil), b.parts...)
		b.mu.Unlock()
		if len(parts) >= n {
			return parts
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			b.Errorf("only %d of %d parts came", len(parts), n)
			return parts
		}
	}
}
