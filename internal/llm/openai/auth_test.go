package openai

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/route"
)

// asked is what a server saw of who asks.
type asked struct {
	URI, Authorization, APIKey, AppID string
}

func TestAuth(t *testing.T) {
	jwt := llm.Dialect{Token: func(key chat.Secret, _ time.Time) (string, error) {
		if key.Reveal() != canary {
			return "", errors.New("no such form")
		}
		return "signed.for.it", nil
	}}
	for name, test := range map[string]struct {
		path, auth, appID string
		dialect           llm.Dialect
		want              asked
	}{
		"default": {"/v1", "", "", llm.Dialect{}, asked{URI: "/v1/chat/completions", Authorization: "Bearer " + canary}},
		"bearer":  {"/v1", route.AuthBearer, "", llm.Dialect{}, asked{URI: "/v1/chat/completions", Authorization: "Bearer " + canary}},
		"Azure v1, api-key": {"/openai/v1", route.AuthAPIKey, "", llm.Dialect{},
			asked{URI: "/openai/v1/chat/completions", APIKey: canary}},
		"Azure deployment": {"/openai/deployments/d?api-version=2024-10-21", route.AuthAPIKey, "", llm.Dialect{},
			asked{URI: "/openai/deployments/d/chat/completions?api-version=2024-10-21", APIKey: canary}},
		"jwt":   {"/v4", route.AuthJWT, "", jwt, asked{URI: "/v4/chat/completions", Authorization: "Bearer signed.for.it"}},
		"appid": {"/v2", "", "app-x", llm.Dialect{}, asked{URI: "/v2/chat/completions", Authorization: "Bearer " + canary, AppID: "app-x"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []asked
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = append(got, asked{r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Api-Key"), r.Header.Get("Appid")})
				_, _ = w.Write(fixture(t, "complete"))
			})
			p, err := New(llm.Endpoint{BaseURL: url + test.path, Auth: test.auth, AppID: test.appID, Connect: time.Second}, test.dialect)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q", Key: chat.NewSecret(canary)}, ignore); err != nil {
				t.Fatal(err)
			}
			if err := p.Check(t.Context(), chat.NewSecret(canary)); err != nil {
				t.Fatal(err)
			}
			models := test.want
			models.URI = strings.Replace(models.URI, "/chat/completions", "/models", 1)
			if diff := cmp.Diff([]asked{test.want, models}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a key that cannot be signed with", func(t *testing.T) {
		p, err := New(llm.Endpoint{BaseURL: "http://127.0.0.1:1", Auth: route.AuthJWT}, jwt)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Complete(t.Context(), llm.Call{Model: "m", Question: "q", Key: chat.NewSecret("sk-other")}, ignore)
		if chat.KindOf(err) != chat.Unauthenticated || strings.Contains(err.Error(), "sk-other") {
			t.Errorf("got %v", err)
		}
	})
	for _, auth := range []string{route.AuthJWT, "basic"} {
		if _, err := New(llm.Endpoint{BaseURL: "http://x", Auth: auth}, llm.Dialect{}); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: got %v", auth, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for status, kind := range map[int]chat.Kind{
		200: chat.Internal, 404: chat.Internal, 405: chat.Internal, // no error: the address answers
		401: chat.Unauthenticated, 403: chat.Forbidden,
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(apiError("", canary)))
		})
		p, err := New(llm.Endpoint{BaseURL: url, Connect: time.Second}, llm.Dialect{})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Check(t.Context(), chat.NewSecret(canary))
		p.Close()
		if (err != nil) != (status == 401 || status == 403) || chat.KindOf(err) != kind || err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	p, _ := New(llm.Endpoint{BaseURL: "http://127.0.0.1:1", Connect: time.Second}, llm.Dialect{})
	if err := p.Check(t.Context(), chat.Secret{}); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("got %v", err)
	}
}

// A gateway may echo the key where a code, a type or a request's id belongs; all of them would look like plain words.
func TestEchoedKeys(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"code": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(apiError("x", canary)))
		},
		"type": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(apiError(canary, "")))
		},
		"request": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "req-"+canary)
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"in the stream": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`data: {"error":{"code":"` + canary + `","type":"rate_limit_error"}}` + "\n\n"))
		},
		"finish reason": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"` + canary + `"}]}` + "\n\n"))
		},
	} {
		_, _, err := call(t.Context(), t, serve(t, h))
		want := chat.RateLimited
		if name == "finish reason" {
			want = chat.Unavailable
		}
		if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != want || strings.Contains(err.Error()+e.Code, canary) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
