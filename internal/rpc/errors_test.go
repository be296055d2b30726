package rpc

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/internal/chat"
)

func TestEveryKindHasACode(t *testing.T) {
	t.Parallel()
	for kind := chat.Internal; kind <= chat.Billing; kind++ {
		if code, ok := codeOf[kind]; !ok || code == codes.OK || code == codes.Unknown {
			t.Errorf("%v: code %v", kind, code)
		}
	}
}

func TestErrorRoundTrip(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want chat.Error }{
		"bare":        {chat.Error{Kind: chat.NotFound, Op: "llm"}, chat.Error{Kind: chat.NotFound, Op: "op", Err: errors.New("llm")}},
		"with all":    {chat.Error{Kind: chat.RateLimited, Op: "llm", Code: "429", RetryAfter: 2 * time.Second, Err: errors.New("a: b")}, chat.Error{Kind: chat.RateLimited, Op: "op", Code: "429", RetryAfter: 2 * time.Second, Err: errors.New("llm: a: b")}},
		"spaced code": {chat.Error{Kind: chat.Billing, Op: "llm", Code: "no money"}, chat.Error{Kind: chat.Billing, Op: "op", Code: "no_money", Err: errors.New("llm")}},
	}
	text := cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := decodeError(t.Context(), "op", encodeError(&tt.in).Err())
			if diff := cmp.Diff(&tt.want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Err" }, text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if ofConnection(got) {
				t.Error("a handler's error is taken for the connection's")
			}
		})
	}
}

func TestDecodeForeignErrors(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	hung, hang := context.WithCancelCause(context.Background())
	hang(errHung)
	live := context.Background()
	tests := map[string]struct {
		ctx  context.Context
		err  error
		kind chat.Kind
		conn bool
	}{
		"connection refused":            {live, status.Error(codes.Unavailable, "connection refused"), chat.Unavailable, true},
		"a server that dies mid-stream": {live, status.Error(codes.InvalidArgument, "incomplete envelope: unexpected EOF"), chat.Unavailable, true},
		"cut mid-message":               {live, status.Error(codes.Internal, "unexpected EOF"), chat.Unavailable, true},
		"reset":                         {live, status.Error(codes.Internal, "stream terminated by RST_STREAM with error code: PROTOCOL_ERROR"), chat.Unavailable, true},
		"dropped just now":              {live, status.Error(codes.Canceled, "grpc: the client connection is closing"), chat.Unavailable, true},
		"too large":                     {live, status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), chat.TooLarge, false},
		"resource exhausted":            {live, status.Error(codes.ResourceExhausted, "busy"), chat.Overloaded, false},
		"business error of dubbo-go":    {live, status.Error(17, "BizError"), chat.Internal, false},
		"unknown":                       {live, status.Error(codes.Unknown, "?"), chat.Internal, false},
		"unknown method":                {live, status.Error(codes.Unimplemented, "unknown method"), chat.NotFound, false},
		"plain":                         {live, errors.New("plain"), chat.Internal, false},
		"a newer server's kind":         {live, status.Error(codes.NotFound, "vanished - 0: x"), chat.NotFound, false},
		"a kind that lies":              {live, status.Error(codes.NotFound, "overloaded - 0: x"), chat.NotFound, false},
		"time is up, whatever it says":  {late, status.Error(codes.InvalidArgument, "incomplete envelope"), chat.Timeout, false},
		"deadline of the server":        {live, status.Error(codes.DeadlineExceeded, "late"), chat.Timeout, false},
		"canceled here":                 {ended, status.Error(codes.Unavailable, "closing"), chat.Canceled, false},
		"given up as hung":              {hung, status.Error(codes.Canceled, "context canceled"), chat.Unavailable, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := decodeError(tt.ctx, "op", tt.err)
			if got.Kind != tt.kind || ofConnection(got) != tt.conn {
				t.Errorf("got %v (of the connection: %v), want %v (%v)", got, ofConnection(got), tt.kind, tt.conn)
			}
			if (got.Code == chat.CodeInstance) != tt.conn {
				t.Errorf("code %q: the turn goes on with another instance exactly when this one failed", got.Code)
			}
		})
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	t.Parallel()
	e := decodeError(t.Context(), "op", encodeError(chat.E(chat.Rejected, "x", errors.New(strings.Repeat("好", 10_000)))).Err())
	if text := e.Error(); e.Kind != chat.Rejected || len(text) > 2*maxDetail || !utf8.ValidString(text) {
		t.Errorf("%v, %d bytes, valid: %v", e.Kind, len(text), utf8.ValidString(text))
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add(uint32(8), "overloaded - 0: full")
	f.Add(uint32(14), "unavailable 45009 99999999999999999999: x")
	f.Add(uint32(2), ": : :")
	f.Fuzz(func(t *testing.T, code uint32, message string) {
		e := decodeError(t.Context(), "op", status.Error(codes.Code(code), message))
		if e == nil && code != 0 {
			t.Fatal("an error got lost")
		}
		if e != nil && e.RetryAfter < 0 {
			t.Fatalf("RetryAfter %v", e.RetryAfter)
		}
	})
}
