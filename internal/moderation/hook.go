package moderation

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// maxAnswer bounds what is read of a hook's answer, which may hold a text in the place of another.
	maxAnswer = 256 << 10
	// After so many failures in a row the hook is left alone for a while: turns would wait for its timeout, each of them.
	maxFailures = 5
	restFor     = 10 * time.Second
)

// hook asks an address of the company's.
type hook struct {
	chat.Hook
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	failures int
	rests    time.Time // until then it is not asked
}

// question is what is posted, and answer what comes back.
type question struct {
	Tenant    string         `json:"tenant"`
	Channel   string         `json:"channel,omitempty"` // none: a program's request
	Direction chat.Direction `json:"direction"`
	Turn      string         `json:"turn"`
	Text      string         `json:"text"`
}

type answer struct {
	Allow   *bool   `json:"allow"`
	Reason  string  `json:"reason"`
	Replace *string `json:"replace"`
}

// plainReason is a word that cannot quote a text.
var plainReason = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)

func (h *hook) judge(ctx context.Context, p chat.Passage) chat.Verdict {
	if !h.asks() {
		return h.failed("resting")
	}
	a, err := h.ask(ctx, p)
	if ctx.Err() == nil || err == nil { // who asks has gone: that says nothing of the hook
		h.noted(err)
	}
	if err != nil {
		return h.failed("")
	}
	v := chat.Verdict{By: byHook, Result: allowed}
	if plainReason.MatchString(a.Reason) {
		v.Reason = a.Reason
	}
	switch {
	case !*a.Allow:
		v.Refused, v.Result = true, refused
	case a.Replace != nil:
		v.Replace, v.Result = a.Replace, replaced
	}
	return v
}

func (h *hook) failed(reason string) chat.Verdict {
	if h.FailOpen {
		return chat.Verdict{By: byHook, Result: failedOpen, Reason: reason}
	}
	return chat.Verdict{Refused: true, By: byHook, Result: failedClosed, Reason: reason}
}

// asks reports whether the hook is to be asked now. After a rest one question goes through, and if it fails, it rests again.
func (h *hook) asks() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures < maxFailures {
		return true
	}
	if h.now().Before(h.rests) {
		return false
	}
	h.rests = h.now().Add(restFor)
	return true
}

func (h *hook) noted(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.failures = 0
		return
	}
	if h.failures++; h.failures >= maxFailures {
		h.rests = h.now().Add(restFor)
	}
}

func (h *hook) ask(ctx context.Context, p chat.Passage) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	body, err := json.Marshal(question{p.Tenant, p.Channel, p.Direction, p.Turn, p.Text})
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	at := strconv.FormatInt(h.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Parley-Timestamp", at)
	req.Header.Set("X-Parley-Signature", "v1="+Signature(h.Secret, at, body))
	resp, err := h.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return a, err
	case resp.StatusCode != http.StatusOK:
		return a, fmt.Errorf("status %d", resp.StatusCode)
	case len(raw) > maxAnswer:
		return a, errors.New("the answer is too long")
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, errors.New("the answer is not JSON")
	}
	if a.Allow == nil {
		return a, errors.New("the answer lacks allow")
	}
	return a, nil
}

// Signature is what a hook computes anew to know that Parley asks: HMAC-SHA256 over the timestamp, a dot and the body, in hexadecimal.
func Signature(secret chat.Secret, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret.Reveal()))
	m.Write([]byte(timestamp + "."))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// noRedirects is c without following redirects: a text goes where the configuration allows, and nowhere else.
func noRedirects(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
