package openai

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

func apiError(typ, code string) string {
	return `{"error":{"message":"Incorrect API key provided: ` + canary + `","type":"` + typ + `","param":null,"code":"` + code + `"}}`
}

// Every refused call, by status and body. The message always holds a key, which must not come out.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   chat.Kind
		code   string
	}{
		{"quota", 429, apiError("insufficient_quota", "insufficient_quota"), chat.Billing, "insufficient_quota"},
		{"credit", 429, apiError("insufficient_quota", "credit_balance_exhausted"), chat.Billing, "credit_balance_exhausted"},
		{"spend limit", 429, apiError("insufficient_quota", "organization_spend_limit_exceeded"), chat.Billing, "organization_spend_limit_exceeded"},
		{"project's limit", 429, apiError("insufficient_quota", "project_spend_limit_exceeded"), chat.Billing, "project_spend_limit_exceeded"},
		{"usage limit", 429, apiError("insufficient_quota", "organization_usage_limit_exceeded"), chat.Billing, "organization_usage_limit_exceeded"},
		{"quota by type", 429, apiError("insufficient_quota", "new_word"), chat.Billing, "new_word"},
		{"inactive", 429, apiError("billing_not_active", "billing_not_active"), chat.Billing, "billing_not_active"},
		{"payment", 402, `{}`, chat.Billing, ""},
		{"rate", 429, apiError("tokens", "rate_limit_exceeded"), chat.RateLimited, "rate_limit_exceeded"},
		{"slow down", 429, apiError("rate_limit_error", "slow_down"), chat.RateLimited, "slow_down"},
		{"slow down as 503", 503, apiError("rate_limit_error", "slow_down"), chat.RateLimited, "slow_down"},
		{"429 alone", 429, ``, chat.RateLimited, ""},
		{"key", 401, apiError("invalid_request_error", "invalid_api_key"), chat.Unauthenticated, "invalid_api_key"},
		{"401 alone", 401, `Unauthorized`, chat.Unauthenticated, ""},
		{"country", 403, apiError("request_forbidden", "unsupported_country_region_territory"), chat.Forbidden, "unsupported_country_region_territory"},
		{"model", 404, apiError("invalid_request_error", "model_not_found"), chat.NotFound, "model_not_found"},
		{"path", 404, `404 page not found`, chat.NotFound, ""},
		{"bad request", 400, apiError("invalid_request_error", "unsupported_value"), chat.Invalid, "unsupported_value"},
		{"422", 422, `{"detail":[{"msg":"x"}]}`, chat.Invalid, ""},
		{"context", 400, apiError("invalid_request_error", "context_length_exceeded"), chat.TooLarge, "context_length_exceeded"},
		{"413", 413, ``, chat.TooLarge, ""},
		{"content", 400, apiError("invalid_request_error", "content_policy_violation"), chat.Rejected, "content_policy_violation"},
		{"Azure's filter", 400, apiError("", "content_filter"), chat.Rejected, "content_filter"},
		{"408", 408, ``, chat.Timeout, ""},
		{"409", 409, ``, chat.Unavailable, ""},
		{"500", 500, apiError("server_error", ""), chat.Unavailable, "server_error"},
		{"overloaded", 503, apiError("service_unavailable_error", "server_is_overloaded"), chat.Overloaded, "server_is_overloaded"},
		{"503 alone", 503, `<html><body>busy</body></html>`, chat.Overloaded, ""},
		{"529", 529, ``, chat.Overloaded, ""},
		{"bad gateway", 502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n", chat.Unavailable, ""},
		{"gateway timeout", 504, `upstream timed out`, chat.Timeout, ""},
		{"code as a number", 400, `{"error":{"message":"x","type":"BadRequestError","code":400}}`, chat.Invalid, "400"},
		{"error as a string", 500, `{"error":"` + canary + `"}`, chat.Unavailable, ""},
		{"a sentence for a code", 400, apiError("x", "please pay "+canary+" now"), chat.Invalid, "x"},
		{"an endless code", 400, apiError("x", strings.Repeat("pay", 30)), chat.Invalid, "x"},
		{"a key for a code", 401, apiError("x", "sk-NN6AV23Y7DU4M2R7BIXUVCFVC7J3P73CBS36KIY5"), chat.Unauthenticated, "x"},
		{"moved", 301, ``, chat.Unavailable, ""},
		{"not modified", 304, ``, chat.Unavailable, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Request-Id", "req_7")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			})
			_, text, err := call(t.Context(), t, url)
			e, ok := errors.AsType[*chat.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if e.Kind != test.kind || e.Code != test.code || text != "" {
				t.Errorf("kind %v, code %q, text %q; want %v, %q", e.Kind, e.Code, text, test.kind, test.code)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "pay") {
				t.Errorf("the error quotes the provider's message: %v", err)
			}
			if !strings.Contains(err.Error(), "req_7") {
				t.Errorf("the error does not name the request: %v", err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		headers map[string]string
		want    time.Duration
	}{
		"none":             {nil, 0},
		"seconds":          {map[string]string{"Retry-After": "20"}, 20 * time.Second},
		"part of a second": {map[string]string{"Retry-After": "0.5"}, 500 * time.Millisecond},
		"milliseconds":     {map[string]string{"retry-after-ms": "1500", "Retry-After": "2"}, 1500 * time.Millisecond},
		"bad milliseconds": {map[string]string{"retry-after-ms": "soon", "Retry-After": "2"}, 2 * time.Second},
		"date":             {map[string]string{"Retry-After": "Fri, 02 Jan 2026 12:01:00 GMT"}, time.Minute},
		"past":             {map[string]string{"Retry-After": "Fri, 02 Jan 2026 11:00:00 GMT"}, 0},
		"negative":         {map[string]string{"Retry-After": "-3"}, 0},
		"zero":             {map[string]string{"Retry-After": "0"}, 0},
		"endless":          {map[string]string{"Retry-After": "1e300"}, 24 * time.Hour},
		"not a number":     {map[string]string{"Retry-After": "NaN"}, 0},
		"a word":           {map[string]string{"Retry-After": "later"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range test.headers {
				h.Set(k, v)
			}
			if got := retryAfter(h, now); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	t.Run("reset of what is used up", func(t *testing.T) {
		h := http.Header{}
		for k, v := range map[string]string{
			"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "1h",
		} {
			h.Set(k, v)
		}
		if got := resetAfter(h); got != 6*time.Minute {
			t.Errorf("got %v", got)
		}
		h.Set("x-ratelimit-remaining-tokens", "0")
		if got := resetAfter(h); got != time.Hour {
			t.Errorf("got %v", got)
		}
		h.Set("x-ratelimit-reset-tokens", "soon")
		h.Set("x-ratelimit-reset-requests", "-1s")
		if got := resetAfter(h); got != 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("reaches the caller", func(t *testing.T) {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, _, err := call(t.Context(), t, url)
		if e, ok := errors.AsType[*chat.Error](err); !ok || e.RetryAfter != 7*time.Second {
			t.Errorf("got %+v", err)
		}
	})
}

// An endless error body is read to its limit, not to its end.
func TestLongRefusal(t *testing.T) {
	done := make(chan int, 1)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		n, piece := 0, bytes.Repeat([]byte("x"), 32<<10)
		for {
			m, err := w.Write(piece)
			n += m
			if err != nil {
				done <- n
				return
			}
		}
	})
	_, _, err := call(t.Context(), t, url)
	if chat.KindOf(err) != chat.Unavailable || len(err.Error()) > 200 {
		t.Errorf("got %v", err)
	}
	<-done
}
