package channeltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// deps gives a channel everything, with its platform at address.
func (s Suite) deps(t *testing.T, address string) channel.Deps {
	t.Helper()
	cache := NewCache()
	d := channel.Deps{
		HTTP: &http.Client{Timeout: time.Second}, Inbox: &Inbox{}, Tokens: cache, Locks: cache, Lead: cache, Limits: cache, Memo: cache,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	if s.Origin != nil {
		s.Origin(&d, address)
	}
	return d
}

// send meets the channel with platforms that fail in every way. What it may say of that is a *chat.Error without any secret.
func (s Suite) send(t *testing.T) {
	strayed := new(atomic.Int64)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc // nil: nobody listens
		retry  bool             // the error must be retryable
	}{
		{"refused", nil, true},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, true},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, true},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, true},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, true},
		{"empty", func(http.ResponseWriter, *http.Request) {}, false},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>login</html>") }, false},
		{"another's JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ok":[1,2]}`) }, false},
		{"wrong types", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"errcode":"x","code":{}}`) }, false},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("{"), 64<<10)); err != nil {
					return
				}
			}
		}, false},
		{"redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.String(), http.StatusTemporaryRedirect)
		}, false},
		{"echoes", func(w http.ResponseWriter, r *http.Request) {
			text := fmt.Sprint(r.URL, r.Header)
			fmt.Fprintf(w, `{"errcode":40000,"errmsg":%q,"code":"Forbidden","message":%q}`, text, text)
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			logged, err := s.sendTo(t, tc.answer)
			e, ok := errors.AsType[*chat.Error](err)
			if !ok {
				t.Fatalf("Send returned %T %v, want a *chat.Error", err, err)
			}
			if tc.retry && !e.Kind.Retryable() {
				t.Errorf("kind %v; a later try may work", e.Kind)
			}
			said := fmt.Sprintf("%v %+v %#v %s", err, err, err, logged)
			for _, secret := range s.Secrets {
				if strings.Contains(said, secret) {
					t.Errorf("a secret is in: %s", said)
				}
			}
		})
	}
	if n := strayed.Load(); n > 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

// sendTo sends a part to a platform that answers every request so.
func (s Suite) sendTo(t *testing.T, answer http.HandlerFunc) (logs string, err error) {
	t.Helper()
	address := "http://" + closedPort(t)
	if answer != nil {
		platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice a caller that hangs up
			answer(w, r)
		}))
		defer platform.Close()
		address = platform.URL
	}
	var logged bytes.Buffer
	d := s.deps(t, address)
	d.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c := s.New(t, d)
	parts, err := c.Parts(s.To, "好", 1)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(ctx, s.To, parts[0])
	return logged.String(), err
}

// closedPort gives an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
