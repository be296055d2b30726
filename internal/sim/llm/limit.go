package llm

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// Limits are what one key may have; 0 is no limit.
type Limits struct {
	Concurrency int `json:"concurrency,omitempty"` // calls at once
	Requests    int `json:"requests,omitempty"`    // per minute
	Tokens      int `json:"tokens,omitempty"`      // per minute, of questions and answers
}

// LimitTable is the limits of all keys.
type LimitTable struct {
	Default Limits            `json:"default"`
	Keys    map[string]Limits `json:"keys,omitempty"` // by fingerprint, in place of the default
}

func (t *LimitTable) of(key string) Limits {
	if l, ok := t.Keys[key]; ok {
		return l
	}
	return t.Default
}

// limit names the limit that a call met.
type limit int

const (
	none limit = iota
	tooBusy
	tooManyRequests
	tooManyTokens
)

// bucket holds what is left of a minute's allowance; it fills at an even rate.
type bucket struct {
	spent float64 // of the allowance
	at    time.Time
}

// left is the allowance at a moment.
func (b *bucket) left(perMinute int, now time.Time) float64 {
	b.spent = max(0, b.spent-now.Sub(b.at).Minutes()*float64(perMinute))
	b.at = now
	return float64(perMinute) - b.spent
}

// until is how long it takes to have n.
func (b *bucket) until(perMinute int, n float64, now time.Time) time.Duration {
	missing := n - b.left(perMinute, now)
	return time.Duration(max(0, missing) / float64(perMinute) * float64(time.Minute))
}

// state is what a response's headers tell of a key's limits.
type state struct {
	limits                    Limits
	requestsLeft, tokensLeft  int
	requestsReset, tokenReset time.Duration
	wait                      time.Duration // of a refused call
}

// tell writes the headers in OpenAI's names; Qianfan has the same but for the resets.
func (s state) tell(h http.Header, resets bool) {
	for _, x := range []struct {
		name        string
		limit, left int
		reset       time.Duration
	}{
		{"Requests", s.limits.Requests, s.requestsLeft, s.requestsReset},
		{"Tokens", s.limits.Tokens, s.tokensLeft, s.tokenReset},
	} {
		if x.limit == 0 {
			continue
		}
		h.Set("X-Ratelimit-Limit-"+x.name, fmt.Sprint(x.limit))
		h.Set("X-Ratelimit-Remaining-"+x.name, fmt.Sprint(max(0, x.left)))
		if resets {
			h.Set("X-Ratelimit-Reset-"+x.name, x.reset.Round(time.Millisecond).String())
		}
	}
	if resets && s.wait > 0 {
		h.Set("Retry-After", fmt.Sprint(int(math.Ceil(s.wait.Seconds()))))
		h.Set("Retry-After-Ms", fmt.Sprint(int(math.Ceil(float64(s.wait)/float64(time.Millisecond)))))
	}
}
