package openai

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"parley/internal/chat"
	"parley/internal/llm"
)

// Three dialects share this client: an error that names another one leads an operator to the wrong vendor.
func TestErrorsNameTheirDialect(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(refusing.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for given, name := range map[string]string{"ernie": "ernie", "": "openai"} {
		t.Run(name, func(t *testing.T) {
			wantOp := func(err error, op string) {
				t.Helper()
				if e, ok := errors.AsType[*chat.Error](err); !ok || e.Op != op {
					t.Errorf("%v, want it to be of %s", err, op)
				}
			}
			_, err := New(llm.Endpoint{Dialect: given}, llm.Dialect{})
			wantOp(err, name+".new")
			_, err = New(llm.Endpoint{Dialect: given, BaseURL: "http://a", Auth: "jwt"}, llm.Dialect{})
			wantOp(err, name+".new")
			for _, url := range []string{refusing.URL, gone.URL} {
				p, err := New(llm.Endpoint{Dialect: given, BaseURL: url}, llm.Dialect{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.Close)
				ask := llm.Call{ID: "1", Model: "m", Question: "q", Key: chat.NewSecret("k")}
				_, err = p.Complete(t.Context(), ask, func(string) error { return nil })
				wantOp(err, name+".complete")
				wantOp(p.Check(t.Context(), ask.Key), name+".check")
				ask.Key = chat.NewSecret("no key")
				_, err = p.Complete(t.Context(), ask, func(string) error { return nil })
				wantOp(err, name+".complete")
			}
		})
	}
}

// What the listener says is its own.
func TestAnErrorOfTheListenerStays(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(`data: {"choices":[{"index":0,"delta":{"content":"a"}}]}` + "\n\n"))
	}))
	t.Cleanup(srv.Close)
	p, err := New(llm.Endpoint{Dialect: "ernie", BaseURL: srv.URL}, llm.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	left := chat.E(chat.Canceled, "listener", errors.New("gone"))
	if _, err := p.Complete(t.Context(), llm.Call{ID: "1", Model: "m", Question: "q"}, func(string) error { return left }); !errors.Is(err, left) {
		t.Errorf("%v, want the listener's own error", err)
	}
}
