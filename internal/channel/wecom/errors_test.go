package wecom

import (
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

func TestErrorOf(t *testing.T) {
	for _, tc := range []struct {
		code  int64
		kind  chat.Kind
		after time.Duration
	}{
		{-1, chat.Overloaded, time.Second},
		{40001, chat.Unauthenticated, 0},
		{40091, chat.Unauthenticated, 0},
		{40014, chat.Unavailable, time.Second},
		{42001, chat.Unavailable, time.Second},
		{41001, chat.Unavailable, time.Second},
		{40056, chat.Forbidden, 0},
		{301002, chat.Forbidden, 0},
		{48002, chat.Forbidden, 0},
		{60011, chat.Forbidden, 0},
		{60020, chat.Forbidden, 0},
		{40008, chat.Internal, 0},
		{45002, chat.TooLarge, 0},
		{45009, chat.RateLimited, time.Minute},
		{45033, chat.RateLimited, time.Second},
		{60111, chat.NotFound, 0},
		{81013, chat.NotFound, 0},
		{82001, chat.NotFound, 0},
		{40007, chat.NotFound, 0},
		{95001, chat.Overloaded, time.Minute},
		{95002, chat.NotFound, 0},
		{95004, chat.NotFound, 0},
		{95007, chat.Invalid, 0},
		{95017, chat.Forbidden, 0},
		{95018, chat.NotFound, 0},
		{99999, chat.Internal, 0},
	} {
		e := errorOf("wecom.send", tc.code, "because")
		if e.Kind != tc.kind || e.RetryAfter != tc.after || e.Maybe {
			t.Errorf("%d: kind %v after %v maybe %v; want %v after %v", tc.code, e.Kind, e.RetryAfter, e.Maybe, tc.kind, tc.after)
		}
	}
}

func TestErrorOfKeepsTheHint(t *testing.T) {
	e := errorOf("wecom.send", 60020, "not allow to access from your ip, from ip: 203.0.113.7\n\x1b[31m, hint"+strings.Repeat("长", 500))
	got := e.Error()
	if !strings.Contains(got, "60020") || !strings.Contains(got, "203.0.113.7") {
		t.Errorf("the operator needs code and IP: %s", got)
	}
	if strings.ContainsAny(got, "\n\x1b") || len(got) > 500 {
		t.Errorf("%d bytes, or control characters: %q", len(got), got)
	}
}

func TestErrorOfSaysHowToMend(t *testing.T) {
	for _, tc := range []struct {
		code          int64
		message, want string
	}{
		{60020, "not allow to access from your ip, hint: [16], from ip: 203.0.113.7, more info at", "add 203.0.113.7 to 企业可信IP"},
		{60020, "not allow to access from your ip, from ip: 2001:db8::7.", "add 2001:db8::7 to 企业可信IP"},
		{60020, "not allow", "add this machine's address to 企业可信IP"},
		{40001, "invalid credential", "secret"},
		{40013, "invalid corpid", "企业ID"},
		{95017, "api not open", "微信客服"},
	} {
		if got := errorOf("wecom.get", tc.code, tc.message).Error(); !strings.Contains(got, tc.message) || !strings.Contains(got, tc.want) {
			t.Errorf("%d: %s; want %q in it", tc.code, got, tc.want)
		}
	}
}
