package chat

import (
	"context"
	"errors"
	"time"
)

// Kind classifies a failure by what the caller should conclude. Every kind's HTTP status, RPC code and text are derived from it in
// one table each.
type Kind int

// The kinds. Unknown errors count as Internal.
const (
	Internal        Kind = iota // a bug or something unforeseen
	Invalid                     // the input is wrong; the same input will fail again
	Unauthenticated             // who asks could not be proved: a bad signature, a bad key
	Forbidden                   // who asks is known and may not: wrong receiver, wrong agent
	NotFound                    // no such tenant, channel, provider, model
	TooLarge                    // over a size limit; never retried
	RateLimited                 // over a rate; see Error.RetryAfter
	Overloaded                  // at capacity now; another instance may have room
	Unavailable                 // a part is down or cut; another instance or a later try may work
	Timeout                     // no answer within the time
	Rejected                    // refused for its content; the turn must not enter the history
	Canceled                    // by the person or by a shutdown
	Billing                     // an account is out of money or closed: never retried, an alarm
)

var kindNames = [...]string{
	Internal: "internal", Invalid: "invalid", Unauthenticated: "unauthenticated", Forbidden: "forbidden", NotFound: "not_found",
	TooLarge: "too_large", RateLimited: "rate_limited", Overloaded: "overloaded", Unavailable: "unavailable", Timeout: "timeout",
	Rejected: "rejected", Canceled: "canceled", Billing: "billing",
}

// String gives the kind's word in logs, metrics and the RPC detail.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[Internal]
	}
	return kindNames[k]
}

// ParseKind is String's inverse; unknown words are Internal.
func ParseKind(word string) Kind {
	for k, name := range kindNames {
		if name == word {
			return Kind(k)
		}
	}
	return Internal
}

// Retryable reports whether the same work may succeed elsewhere or later.
func (k Kind) Retryable() bool {
	switch k {
	case RateLimited, Overloaded, Unavailable, Timeout:
		return true
	default:
		return false
	}
}

// Error is a failure with its kind and the operation that failed. It never holds a secret, a URL with one, or a message's text.
type Error struct {
	Kind       Kind
	Op         string // what this layer did: "rpc.complete", "wecom.send"
	Code       string // the outside party's own code, if any: "45009", "rate_limit_exceeded"
	RetryAfter time.Duration
	Maybe      bool  // the effect may have happened all the same: a send whose answer was lost
	Err        error // may be nil
}

// E makes an *Error. err may be nil.
func E(kind Kind, op string, err error) *Error { return &Error{Kind: kind, Op: op, Err: err} }

// Error implements error.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.String()
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is total: the outermost *Error's kind, else Timeout or Canceled for context errors, else Internal. KindOf(nil) is Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Internal
}

// Codes that Parley's own parts give, where the caller's next step depends on more than the kind.
const (
	CodeInstance   = "instance"    // the server instance failed or has no room, not what it called: another one may do
	CodeNoInstance = "no_instance" // no server instance is known or healthy now
	CodeKeysBusy   = "keys_busy"   // every key that the turn may use is at its limit: it waits, and nothing failed
	CodeNoVision   = "no_vision"   // no model that the turn may use looks at pictures
	CodeModerated  = "moderated"   // the tenant's own rules refuse the text
	CodeMemory     = "memory"      // the store is nearly full: nothing more is accepted; whoever found it has logged it
)
