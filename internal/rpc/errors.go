package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/internal/chat"
)

// codeOf is the Triple code of every kind: it is what foreign clients see. The kind itself travels in the message.
var codeOf = map[chat.Kind]codes.Code{
	chat.Internal:        codes.Internal,
	chat.Invalid:         codes.InvalidArgument,
	chat.Unauthenticated: codes.Unauthenticated,
	chat.Forbidden:       codes.PermissionDenied,
	chat.NotFound:        codes.NotFound,
	chat.TooLarge:        codes.OutOfRange,
	chat.RateLimited:     codes.ResourceExhausted,
	chat.Overloaded:      codes.ResourceExhausted,
	chat.Unavailable:     codes.Unavailable,
	chat.Timeout:         codes.DeadlineExceeded,
	chat.Rejected:        codes.FailedPrecondition,
	chat.Canceled:        codes.Canceled,
	chat.Billing:         codes.FailedPrecondition,
}

// kindOf reads a code that came without a kind: from the transport, or from a server that is not Parley's.
var kindOf = map[codes.Code]chat.Kind{
	codes.Canceled:           chat.Canceled,
	codes.InvalidArgument:    chat.Invalid,
	codes.DeadlineExceeded:   chat.Timeout,
	codes.NotFound:           chat.NotFound,
	codes.PermissionDenied:   chat.Forbidden,
	codes.ResourceExhausted:  chat.Overloaded,
	codes.FailedPrecondition: chat.Rejected,
	codes.OutOfRange:         chat.TooLarge,
	codes.Unimplemented:      chat.NotFound,
	codes.Unavailable:        chat.Unavailable,
	codes.Unauthenticated:    chat.Unauthenticated,
}

// maxDetail keeps a long text from exceeding the peer's limit of header bytes, which would lose the whole error.
const maxDetail = 1 << 10

// connError marks an error that the way to a server made, not its handler: the instance is avoided until a probe succeeds.
type connError struct{ error }

func (e connError) Unwrap() error { return e.error }

// ofConnection reports whether err came from the connection to an instance.
func ofConnection(err error) bool {
	_, ok := errors.AsType[connError](err)
	return ok
}

// encodeError makes the status that carries err: the kind's code and, as its message, "kind code retry_after_ms: text".
func encodeError(err error) *status.Status {
	if e, ok := errors.AsType[misfitError](err); ok {
		return status.New(codes.FailedPrecondition, e.Error())
	}
	kind, code, retry, text := chat.KindOf(err), "-", int64(0), err.Error()
	if e, ok := errors.AsType[*chat.Error](err); ok {
		if e.Code != "" {
			code = strings.Join(strings.Fields(e.Code), "_")
		}
		retry, text = e.RetryAfter.Milliseconds(), e.Op
		if e.Err != nil {
			text += ": " + e.Err.Error()
		}
	}
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return status.New(codeOf[kind], fmt.Sprintf("%s %s %d: %s", kind, code, retry, text))
}

// decodeError is encodeError's inverse for whatever a call returned. ctx is the call's: its end decides before any code does, because a
// connection that breaks at the deadline reports something else.
func decodeError(ctx context.Context, op string, err error) *chat.Error {
	switch {
	case errors.Is(context.Cause(ctx), errHung):
		return instanceError(op, connError{errHung})
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return chat.E(chat.Timeout, op, context.DeadlineExceeded)
	case errors.Is(err, context.Canceled), ctx.Err() != nil:
		return chat.E(chat.Canceled, op, context.Canceled)
	}
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	s := status.Convert(err)
	if e, ok := asMisfit(s.Message()); ok && s.Code() == codes.FailedPrecondition {
		return instanceError(op, e) // another one may do
	}
	if e, ok := parseDetail(op, s); ok {
		return e
	}
	kind := kindOf[s.Code()] // what is not in the table is Internal
	text := s.Message()
	switch {
	case strings.Contains(text, "larger than max"):
		kind = chat.TooLarge
	case cutOff(text):
		kind = chat.Unavailable
	}
	err = errors.New(text)
	if kind == chat.Unavailable {
		return instanceError(op, connError{err})
	}
	return chat.E(kind, op, err)
}

// instanceError says that the instance failed and not what it called: the turn may go on with another one.
func instanceError(op string, err error) *chat.Error {
	e := chat.E(chat.Unavailable, op, err)
	e.Code = chat.CodeInstance
	return e
}

// cutOff knows the texts of a connection that ended in the middle of something, which come with codes of other things: the first is that
// of dubbo-go's own Triple, the last that of an instance dropped at the moment when it was chosen.
func cutOff(text string) bool {
	for _, sign := range []string{"incomplete envelope", "unexpected EOF", "RST_STREAM", "connection is closing"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// maxRetryAfter bounds what a server may ask for: more would overflow, and is nothing that anybody waits for.
const maxRetryAfter = 24 * time.Hour

// parseDetail reads "kind code retry_after_ms: text". A message that only looks like it is not believed: its code must be the kind's.
func parseDetail(op string, s *status.Status) (*chat.Error, bool) {
	head, text, ok := strings.Cut(s.Message(), ": ")
	words := strings.Fields(head)
	if !ok || len(words) != 3 {
		return nil, false
	}
	kind := chat.ParseKind(words[0])
	retry, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil || kind.String() != words[0] || codeOf[kind] != s.Code() {
		return nil, false
	}
	e := chat.E(kind, op, errors.New(text))
	if words[1] != "-" {
		e.Code = words[1]
	}
	e.RetryAfter = time.Duration(min(max(retry, 0), maxRetryAfter.Milliseconds())) * time.Millisecond
	return e, true
}

func codeOfError(err error) string {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e.Code
	}
	return ""
}
