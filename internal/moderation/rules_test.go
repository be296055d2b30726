package moderation_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/moderation"
)

var hookSecret = chat.NewSecret("hook-secret")

// hooked starts a hook that answers with what answer gives, and makes rules that ask it.
func hooked(t *testing.T, m chat.Moderation, answer func(w http.ResponseWriter, text string)) (*moderation.Rules, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("X-Parley-Signature") != "v1="+moderation.Signature(hookSecret, r.Header.Get("X-Parley-Timestamp"), body) {
			t.Error("a question that is not signed")
		}
		var q map[string]string
		if err := json.Unmarshal(body, &q); err != nil {
			t.Error(err)
		}
		text := q["text"]
		delete(q, "text")
		if diff := cmp.Diff(map[string]string{"tenant": "acme", "channel": "app", "direction": q["direction"], "turn": "t1"}, q); diff != "" {
			t.Error(diff)
		}
		answer(w, text)
	}))
	t.Cleanup(s.Close)
	h := *m.Hook
	h.URL, h.Secret = s.URL+"/judge", hookSecret
	if h.Timeout == 0 {
		h.Timeout = 20 * time.Second
	}
	m.Hook = &h
	return moderation.New(&m, nil), &asked
}

func passage(d chat.Direction, text string) chat.Passage {
	return chat.Passage{Direction: d, Tenant: "acme", Channel: "app", Turn: "t1", Text: text}
}

func TestRules(t *testing.T) {
	other := "other"
	both := chat.Directions{Input: true, Output: true}
	r, asked := hooked(t, chat.Moderation{Words: []string{"赌博"}, On: chat.Directions{Output: true}, Hook: &chat.Hook{On: both}}, func(w http.ResponseWriter, text string) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"bad":     map[string]any{"allow": false, "reason": "politics"},
			"quoting": map[string]any{"allow": false, "reason": "it says: quoting"},
			"soft":    map[string]any{"allow": true, "replace": "other"},
			"worse":   map[string]any{"allow": true, "replace": "赌 博"},
			"赌博":      map[string]any{"allow": true},
			"fine":    map[string]any{"allow": true},
		}[text])
	})
	for _, c := range []struct {
		d    chat.Direction
		text string
		want chat.Verdict
	}{
		{chat.Input, "fine", chat.Verdict{By: "hook", Result: "allowed"}},
		{chat.Input, "bad", chat.Verdict{Refused: true, By: "hook", Result: "refused", Reason: "politics"}},
		{chat.Input, "quoting", chat.Verdict{Refused: true, By: "hook", Result: "refused"}},
		{chat.Output, "soft", chat.Verdict{Replace: &other, By: "hook", Result: "replaced"}},
		{chat.Output, "worse", chat.Verdict{Refused: true, By: "words", Result: "refused"}},
		{chat.Input, "赌博", chat.Verdict{By: "hook", Result: "allowed"}},
		{chat.Output, "赌博", chat.Verdict{Refused: true, By: "words", Result: "refused"}},
	} {
		if diff := cmp.Diff(c.want, r.Judge(t.Context(), passage(c.d, c.text))); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.d, c.text, diff)
		}
	}
	if n := asked.Load(); n != 6 {
		t.Errorf("the hook was asked %d times", n)
	}
	if show, _ := r.Filter().Add("fine"); show != "" {
		t.Errorf("%q was shown before the hook judged", show)
	}
	if moderation.New(nil, nil) != nil {
		t.Error("rules of nothing")
	}
}

// TestHookThatFails: the document says what becomes of texts then, and a hook that fails again and again is left alone for a while.
func TestHookThatFails(t *testing.T) {
	failures := map[string]func(http.ResponseWriter, string){
		"an error": func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusInternalServerError) },
		"a redirect": func(w http.ResponseWriter, _ string) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		},
		"no JSON":      func(w http.ResponseWriter, _ string) { _, _ = w.Write([]byte("<html>")) },
		"no verdict":   func(w http.ResponseWriter, _ string) { _, _ = w.Write([]byte(`{"ok":true}`)) },
		"nothing":      func(w http.ResponseWriter, _ string) { time.Sleep(900 * time.Millisecond) },
		"far too much": func(w http.ResponseWriter, _ string) { _, _ = w.Write(make([]byte, 300<<10)) },
	}
	for name, fail := range failures {
		for _, open := range []bool{true, false} {
			h := &chat.Hook{On: chat.Directions{Input: true}, FailOpen: open}
			if name == "nothing" {
				h.Timeout = 300 * time.Millisecond
			}
			r, asked := hooked(t, chat.Moderation{Hook: h}, fail)
			want := chat.Verdict{Refused: !open, By: "hook", Result: map[bool]string{true: "failed_open", false: "failed_closed"}[open]}
			for i := range 8 {
				if i == 5 {
					want.Reason = "resting"
				}
				if diff := cmp.Diff(want, r.Judge(t.Context(), passage(chat.Input, "x"))); diff != "" {
					t.Fatalf("%s, try %d (-want +got):\n%s", name, i, diff)
				}
			}
			if n := asked.Load(); n != 5 && (name != "nothing" || n > 5) { // who is given no answer in time may not even have been reached
				t.Errorf("%s: asked %d times", name, n)
			}
			if v := r.Judge(t.Context(), passage(chat.Output, "x")); v.Refused || v.By != "" {
				t.Errorf("what it is not to judge: %+v", v)
			}
		}
	}
}
