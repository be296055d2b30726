package chat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"parley/internal/chat"
)

// kinds is every kind with what callers conclude from it. A new kind must be added here.
var kinds = []struct {
	kind      chat.Kind
	word      string
	retryable bool
	status    int
}{
	{chat.Internal, "internal", false, 500},
	{chat.Invalid, "invalid", false, 400},
	{chat.Unauthenticated, "unauthenticated", false, 401},
	{chat.Forbidden, "forbidden", false, 403},
	{chat.NotFound, "not_found", false, 404},
	{chat.TooLarge, "too_large", false, 413},
	{chat.RateLimited, "rate_limited", true, 429},
	{chat.Overloaded, "overloaded", true, 503},
	{chat.Unavailable, "unavailable", true, 503},
	{chat.Timeout, "timeout", true, 504},
	{chat.Rejected, "rejected", false, 422},
	{chat.Canceled, "canceled", false, 499},
	{chat.Billing, "billing", false, 503},
}

func TestKinds(t *testing.T) {
	for i, k := range kinds {
		if int(k.kind) != i {
			t.Errorf("%s is missing from the table or out of order", chat.Kind(i))
		}
		if k.kind.String() != k.word || chat.ParseKind(k.word) != k.kind {
			t.Errorf("%d: word %q, parsed back %v", i, k.kind, chat.ParseKind(k.word))
		}
		if k.kind.Retryable() != k.retryable {
			t.Errorf("%v: retryable %v", k.kind, k.kind.Retryable())
		}
		if k.kind.HTTPStatus() != k.status {
			t.Errorf("%v: status %d", k.kind, k.kind.HTTPStatus())
		}
	}
	unknown := chat.Kind(len(kinds))
	if unknown.String() != "internal" || unknown.HTTPStatus() != http.StatusInternalServerError || chat.ParseKind("new-in-2030") != chat.Internal {
		t.Error("unknown kinds must count as internal: is one missing from the table?")
	}
}

func TestKindOf(t *testing.T) {
	wrapped := fmt.Errorf("outer: %w", chat.E(chat.Timeout, "inner", chat.E(chat.Invalid, "innermost", nil)))
	cases := []struct {
		err  error
		want chat.Kind
	}{
		{nil, chat.Internal},
		{errors.New("x"), chat.Internal},
		{chat.E(chat.NotFound, "op", nil), chat.NotFound},
		{wrapped, chat.Timeout},
		{fmt.Errorf("a: %w", context.DeadlineExceeded), chat.Timeout},
		{fmt.Errorf("a: %w", context.Canceled), chat.Canceled},
	}
	for _, c := range cases {
		if got := chat.KindOf(c.err); got != c.want {
			t.Errorf("KindOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	e := &chat.Error{Kind: chat.RateLimited, Op: "wecom.send", Code: "45009", Err: cause}
	if got, want := e.Error(), "wecom.send: rate_limited 45009: cause"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
}
