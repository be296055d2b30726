package openai

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley/internal/channel"
)

// try shows a key and gives the answer to GET /v1/models.
func try(t *testing.T, e *Entry, authorization string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result()
}

func TestKeys(t *testing.T) {
	var log bytes.Buffer
	loaded := false
	acme, other := newCompany("acme"), newCompany("other")
	other.models = []string{"others"}
	d := acme.deps()
	d.Log = slog.New(slog.NewTextHandler(&log, nil))
	e := NewEntry(EntryOptions{Loaded: func() bool { return loaded }, Deps: d})
	set := func(c *company, keys ...string) {
		t.Helper()
		channels := map[string]channel.Channel{"web": nil}
		if len(keys) > 0 {
			channels["api"] = c.channel(t, c.deps(), keys...)
		}
		e.Set(c.tenant.Name, channels)
	}
	opens := func(key, model string) {
		t.Helper()
		resp := try(t, e, "Bearer "+key)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || !strings.Contains(string(body), `"`+model+`"`) {
			t.Errorf("%s: %s %s", key, resp.Status, body)
		}
	}
	shut := func(authorization, says string) {
		t.Helper()
		resp := try(t, e, authorization)
		if message := refusedAs(t, resp, 401, "invalid_api_key", ""); !strings.Contains(message, says) {
			t.Errorf("%q says %q", authorization, message)
		}
		if resp.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Error("no WWW-Authenticate")
		}
	}
	refusedAs(t, try(t, e, "Bearer k1"), 503, "service_unavailable", "") // the documents are being read
	loaded = true
	set(acme, "k1", "k2")
	set(other, "k3")
	for _, key := range []string{"k1", "k2"} {
		opens(key, "deep")
	}
	opens("k3", "others")
	for authorization, says := range map[string]string{
		"": "You didn't provide", "Bearer ": "You didn't provide", "k1": "You didn't provide", "Basic k1": "You didn't provide",
		"Bearer k": "Incorrect", "Bearer k11": "Incorrect", "Bearer K1": "Incorrect", "Bearer k1 k2": "Incorrect",
	} {
		shut(authorization, says)
	}
	if resp := try(t, e, "bearer  k1"); resp.StatusCode != 200 {
		t.Errorf("another spelling: %s", resp.Status)
	}

	set(acme, "k2") // rotation ends
	shut("Bearer k1", "Incorrect")
	opens("k2", "deep")

	set(other, "k3", "k2") // a key of two tenants is nobody's
	shut("Bearer k2", "not unique")
	opens("k3", "others")
	if said := log.String(); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "tenant=other") || !strings.Contains(said, "also=acme") || strings.Contains(said, "k2") {
		t.Errorf("logged %s", said)
	}
	set(acme) // its channel is gone
	opens("k2", "others")
	set(other)
	shut("Bearer k2", "Incorrect")
	if len(e.by) > 0 {
		t.Errorf("%d keys are left", len(e.by))
	}
}

func TestPaths(t *testing.T) {
	c := newCompany("acme")
	e := c.entry(t)
	for _, tt := range []struct {
		method, path string
		status       int
		code, param  string
	}{
		{"GET", "/v1/", 404, "unknown_url", ""},
		{"POST", "/v1/embeddings", 404, "unknown_url", ""},
		{"POST", "/v1/chat/completions/", 404, "unknown_url", ""},
		{"GET", completions, 405, "method_not_supported", ""},
		{"POST", "/v1/models", 405, "method_not_supported", ""},
		{"GET", "/v1/models/gpt-4o", 404, "model_not_found", "model"},
		{"GET", "/v1/models/", 404, "model_not_found", "model"},
		{"DELETE", "/v1/models/chat", 405, "method_not_supported", ""},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) { refusedAs(t, call(t, e, tt.method, tt.path, ""), tt.status, tt.code, tt.param) })
	}
}

func TestModels(t *testing.T) {
	c := newCompany("acme")
	e := c.entry(t)
	made := `,"object":"model","created":`
	read := func(path string) string {
		t.Helper()
		resp := call(t, e, "GET", path, "")
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %s", resp.Status, b)
		}
		return string(b)
	}
	if got := read("/v1/models"); !strings.HasPrefix(got, `{"object":"list","data":[{"id":"chat"`+made) || !strings.Contains(got, `,{"id":"deep"`+made) {
		t.Error(got)
	}
	if got := read("/v1/models/deep"); !strings.HasPrefix(got, `{"id":"deep"`+made) || !strings.HasSuffix(got, `,"owned_by":"parley"}`) {
		t.Error(got)
	}
	c.models = nil
	refusedAs(t, call(t, e, "GET", "/v1/models", ""), 503, "service_unavailable", "")
	c.tenant.Suspended = true
	refusedAs(t, call(t, e, "GET", "/v1/models", ""), 403, "account_deactivated", "")
	refusedAs(t, call(t, e, "POST", completions, body("")), 403, "account_deactivated", "")
}
