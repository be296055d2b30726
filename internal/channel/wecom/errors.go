package wecom

import (
	"errors"
	"strconv"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// errorOf is the table of WeCom's global error codes (document 90313): what each says about trying again. Codes it does not know are
// Internal: not tried again, and logged.
func errorOf(op string, code int64, message string) *chat.Error {
	e := chat.E(chat.Internal, op, errors.New(channel.Printable(message)))
	e.Code = strconv.FormatInt(code, 10)
	switch code {
	case -1: // system busy
		e.Kind, e.RetryAfter = chat.Overloaded, time.Second
	case codeNoToken, codeBadToken, codeOldToken:
		e.Kind, e.RetryAfter = chat.Unavailable, time.Second
	case 40001, 40013, 40091, 41002, 41004: // corp id or secret wrong or missing
		e.Kind = chat.Unauthenticated
	case 40056, 301002, 48002, 60011, 60020: // the agent is not ours; no permission; this IP is not in the application's 可信IP list
		e.Kind = chat.Forbidden
	case 40003, 46004, 60111, 81013, 82001: // no such user; all receivers invalid
		e.Kind = chat.NotFound
	case 40035, 40058, 44004: // a parameter; empty content
		e.Kind = chat.Invalid
	case 45002:
		e.Kind = chat.TooLarge
	case 45009: // over the minute's limit; the shortest block
		e.Kind, e.RetryAfter = chat.RateLimited, time.Minute
	case 45033: // too many at once
		e.Kind, e.RetryAfter = chat.RateLimited, time.Second
	}
	return e
}

// The codes after which a new token helps: missing, invalid (revoked), expired.
const (
	codeNoToken  = 41001
	codeBadToken = 40014
	codeOldToken = 42001
)

func tokenRefused(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && (e.Code == strconv.Itoa(codeNoToken) || e.Code == strconv.Itoa(codeBadToken) || e.Code == strconv.Itoa(codeOldToken))
}
