package openai

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// timed is a connection that notes when what was written.
type timed struct {
	began  time.Time
	header http.Header
	wrote  []string
	status int
	fail   error
}

func (w *timed) Header() http.Header { return w.header }
func (w *timed) WriteHeader(s int)   { w.status = s }
func (w *timed) Flush()              {}
func (w *timed) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte(": ")) {
		b = []byte("beat")
	}
	w.wrote = append(w.wrote, time.Since(w.began).String()+" "+strings.SplitN(string(b), "\n", 2)[0][:4])
	return len(b), w.fail
}

// A silent stream says something: late enough for an error to have its status, early enough for whoever stands between.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &timed{began: time.Now(), header: http.Header{}}
		firsts := 0
		s := newStream(w, head{"i", 1, "m"}, false, func() { t.Error("left") }, func() { firsts++ })
		s.event(chat.Event{Kind: chat.Started})
		time.Sleep(30 * time.Second)
		s.event(chat.Event{Kind: chat.Delta, Text: "a"})
		time.Sleep(14 * time.Second)
		s.event(chat.Event{Kind: chat.Delta, Text: "b"})
		time.Sleep(20 * time.Second)
		s.event(chat.Event{Kind: chat.Finished, Reply: chat.Reply{Text: "ab", FinishReason: "stop"}})
		s.close()
		time.Sleep(time.Minute)
		want := []string{"10s beat", "25s beat", "30s data", "44s data", "59s beat", "1m4s data"}
		if diff := cmp.Diff(want, w.wrote); diff != "" || w.status != 200 || firsts != 1 {
			t.Errorf("%s status %d, first text %d times", diff, w.status, firsts)
		}
	})
}

// Whoever does not read is not written to for ever.
func TestStreamNobodyReads(t *testing.T) {
	left := false
	w := &timed{began: time.Now(), header: http.Header{}, fail: errors.New("broken pipe")}
	s := newStream(w, head{"i", 1, "m"}, false, func() { left = true }, func() {})
	s.event(chat.Event{Kind: chat.Delta, Text: "a"})
	s.close()
	if !left {
		t.Error("the completion goes on")
	}
}

// TestHeldBody: the budget of large bodies is given back, and its end is an honest error.
func TestHeldBody(t *testing.T) {
	c := newCompany("acme")
	e := c.entry(t)
	c.tenant.Limits.MaxInput = 0
	e.bodies.most = 300 << 10
	large := messages(`{"role":"user","content":"` + strings.Repeat("x", 200<<10) + `"}`)
	c.answer = func(ctx context.Context, want chat.Request, emit func(chat.Event)) error {
		refusedAs(t, call(t, e, "POST", completions, large), 503, "service_unavailable", "")
		if resp := call(t, e, "GET", "/v1/models", ""); resp.StatusCode != 200 {
			t.Error(resp.Status)
		}
		return says(chat.Reply{Text: "a", FinishReason: "stop"})(ctx, want, emit)
	}
	for range 3 {
		if resp := call(t, e, "POST", completions, large); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	if n := e.bodies.held.Load(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
	c.asked3(t, 200<<10)
}

func (c *company) asked3(t *testing.T, size int) {
	t.Helper()
	if len(c.want) != 3 || len(c.want[2].Question) != size {
		t.Errorf("%d requests were made", len(c.want))
	}
}

func TestBodies(t *testing.T) {
	c := newCompany("acme")
	e := c.entry(t)
	c.tenant.Limits.MaxInput = 0
	for name, tt := range map[string]struct {
		size   int
		status int
	}{"small": {10, 200}, "just small": {smallBody - len(body("")) + 1, 200}, "larger": {smallBody, 200}, "large": {3 << 20, 200}, "too large": {maxBody, 400}} {
		t.Run(name, func(t *testing.T) {
			text := messages(`{"role":"user","content":"` + strings.Repeat("x", tt.size) + `"}`)
			if resp := call(t, e, "POST", completions, text); resp.StatusCode != tt.status {
				t.Errorf("%s", resp.Status)
			}
		})
	}
	if n := e.bodies.held.Load(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
}
