package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
)

// fault is an error in the forms in which it stands in a body or a stream: {"error": {…}}, {"error": "…"}, {"error_code": 18}, and
// with status 200 at the top level {"code": …, "message": …}.
type fault struct {
	Error     json.RawMessage `json:"error"`
	ErrorCode json.RawMessage `json:"error_code"`
	Code      json.RawMessage `json:"code"`
	Type      json.RawMessage `json:"type"`
}

func set(raw json.RawMessage) bool {
	s := string(bytes.TrimSpace(raw))
	return s != "" && s != "null" && s != "0" && s != `""` && s != "false"
}

func (f fault) present() bool { return set(f.Error) || set(f.ErrorCode) || set(f.Code) }

// words are the error's code and type, made safe to log: whatever is no plain word is left out, for a message may quote the question or
// a part of the key.
func (f fault) words() (code, typ string) {
	// Not go-openai's APIError, which refuses an error without a message.
	var e struct{ Code, Type json.RawMessage }
	if set(f.Error) && json.Unmarshal(f.Error, &e) == nil {
		code, typ = rawWord(e.Code), rawWord(e.Type)
	}
	if code == "" {
		code = rawWord(f.ErrorCode)
	}
	if code == "" {
		code = rawWord(f.Code)
	}
	if typ == "" {
		typ = rawWord(f.Type)
	}
	return code, typ
}

func rawWord(raw json.RawMessage) string {
	if !set(raw) {
		return ""
	}
	return word(strings.Trim(string(raw), `"`))
}

// maxRun is the longest run of letters and digits in a code ("ResponsibleAIPolicyViolation"). Keys have longer ones, and a provider may quote
// one that this call did not carry.
const maxRun = 28

// word returns s if it is a code: words, none of them as long as a key.
func word(s string) string {
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("_.-", r) }) {
		if len(run) > maxRun {
			return ""
		}
	}
	return plain(s)
}

// plain returns s if it is short and of plain characters.
func plain(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r) {
			return ""
		}
	}
	return s
}

// kinds are the codes and types that OpenAI and compatible servers use.
var kinds = map[string]chat.Kind{
	"insufficient_quota": chat.Billing, "credit_balance_exhausted": chat.Billing, "organization_spend_limit_exceeded": chat.Billing,
	"project_spend_limit_exceeded": chat.Billing, "organization_usage_limit_exceeded": chat.Billing,
	"billing_hard_limit_reached": chat.Billing, "billing_not_active": chat.Billing, "account_deactivated": chat.Billing,
	"rate_limit_exceeded": chat.RateLimited, "slow_down": chat.RateLimited, "rate_limit_error": chat.RateLimited,
	"invalid_api_key": chat.Unauthenticated, "authentication_error": chat.Unauthenticated, "invalid_authentication": chat.Unauthenticated,
	"model_not_found": chat.NotFound, "DeploymentNotFound": chat.NotFound,
	"context_length_exceeded": chat.TooLarge, "string_above_max_length": chat.TooLarge,
	"content_filter": chat.Rejected, "content_policy_violation": chat.Rejected, "ResponsibleAIPolicyViolation": chat.Rejected,
	"server_error": chat.Unavailable, "internal_server_error": chat.Unavailable,
	"server_is_overloaded": chat.Overloaded, "service_unavailable_error": chat.Overloaded, "engine_overloaded": chat.Overloaded,
	"overloaded_error": chat.Overloaded, "invalid_request_error": chat.Invalid,
}

// kindOfFault goes from the most to the least telling: the dialect's words, the common words, a status in place of a code, the status.
// The type invalid_request_error is used for nearly everything, so a status that says more wins over it.
func kindOfFault(d *llm.Dialect, status int, code, typ string) chat.Kind {
	for _, w := range []string{code, typ} {
		if k, ok := d.Kinds[w]; ok && w != "" {
			return k
		}
	}
	for _, w := range []string{code, typ} {
		if k, ok := kinds[w]; ok && (k != chat.Invalid || status == http.StatusOK) {
			return k
		}
	}
	if n, err := strconv.Atoi(code); err == nil && status == http.StatusOK && n >= 400 && n < 600 {
		status = n
	}
	return kindOfStatus(status)
}

func kindOfStatus(status int) chat.Kind {
	switch status {
	case http.StatusUnauthorized:
		return chat.Unauthenticated
	case http.StatusPaymentRequired:
		return chat.Billing
	case http.StatusForbidden:
		return chat.Forbidden
	case http.StatusNotFound:
		return chat.NotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return chat.Timeout
	case http.StatusConflict, http.StatusTooEarly:
		return chat.Unavailable
	case http.StatusRequestEntityTooLarge:
		return chat.TooLarge
	case http.StatusTooManyRequests:
		return chat.RateLimited
	case http.StatusServiceUnavailable, 529:
		return chat.Overloaded
	}
	if status >= 400 && status < 500 {
		return chat.Invalid
	}
	return chat.Unavailable // 5xx, a redirect, or an error inside a 200
}

func (a *answer) fail(status int, f fault) error { return newError(a.dialect, status, f, nil) }

// newError makes the error of a refused call. It quotes no message of the provider: codes and the request's id are enough to look it up.
func newError(d *llm.Dialect, status int, f fault, h http.Header) *chat.Error {
	code, typ := f.words()
	text := "HTTP " + strconv.Itoa(status)
	if typ != "" {
		text += ", type " + typ
	}
	if status >= 300 && status < 400 {
		text += ": redirects are not followed; set base_url to the final address"
	}
	if id := plain(h.Get("X-Request-Id")); id != "" {
		text += ", request " + id
	}
	if code == "" {
		code = typ
	}
	wait := retryAfter(h, time.Now())
	if wait == 0 && status == http.StatusTooManyRequests {
		wait = resetAfter(h)
	}
	return &chat.Error{Kind: kindOfFault(d, status, code, typ), Op: op, Code: code, RetryAfter: wait, Err: errors.New(text)}
}

// statusError reads the error of a response that is no success.
func statusError(d *llm.Dialect, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	var f fault
	if json.Unmarshal(bytes.TrimSpace(body), &f) != nil {
		f = fault{} // HTML, or cut: the status says enough
	}
	return newError(d, resp.StatusCode, f, resp.Header)
}

// retryAfter reads Retry-After-Ms, then Retry-After in seconds or as a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return bounded(ms * float64(time.Millisecond))
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil && s > 0 {
		return bounded(s * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return bounded(float64(at.Sub(now)))
	}
	return 0
}

// resetAfter reads when a limit that is used up is full again, from OpenAI's x-ratelimit-reset-*: durations like 6m0s.
func resetAfter(h http.Header) (wait time.Duration) {
	for _, what := range []string{"Requests", "Tokens"} {
		d, err := time.ParseDuration(h.Get("X-Ratelimit-Reset-" + what))
		if err == nil && h.Get("X-Ratelimit-Remaining-"+what) == "0" {
			wait = max(wait, d)
		}
	}
	return bounded(float64(wait))
}

func bounded(d float64) time.Duration { return time.Duration(min(d, float64(24*time.Hour))) }

// transportError classifies a failed connection. The URL is left out: it may name a private host's path.
func transportError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	kind := chat.Unavailable
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		kind = chat.Timeout
	} else if errors.Is(err, context.Canceled) {
		kind = chat.Canceled
	}
	return chat.E(kind, op, err)
}

// common finish reasons of OpenAI and compatible servers. One that nobody knows proves no complete answer.
var finishes = map[string]llm.Finish{
	"stop": {Reason: "stop"}, "eos": {Reason: "stop"}, "end_turn": {Reason: "stop"}, "stop_sequence": {Reason: "stop"},
	"tool_calls": {Reason: "stop"}, "function_call": {Reason: "stop"},
	"length": {Reason: "length"}, "max_tokens": {Reason: "length"}, "model_length": {Reason: "length"},
	"content_filter": {Kind: chat.Rejected}, "sensitive": {Kind: chat.Rejected}, "safety": {Kind: chat.Rejected},
	"network_error": {Kind: chat.Unavailable}, "error": {Kind: chat.Unavailable}, "abort": {Kind: chat.Unavailable},
}

func finishOf(d *llm.Dialect, reason string) llm.Finish {
	if f, ok := d.Finish[reason]; ok {
		return f
	}
	if f, ok := finishes[reason]; ok {
		return f
	}
	return llm.Finish{Kind: chat.Unavailable}
}
