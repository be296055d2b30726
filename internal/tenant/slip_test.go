package tenant_test

import (
	"strings"
	"testing"

	"parley/internal/tenant"
)

// TestSlips: what a Chinese keyboard or a tab makes of a document is named as such, wherever it stands.
func TestSlips(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"a wide colon":             {"name: acme\nmodel：chat\nchannels: []\n", "line 2 has a full-width colon (：) after a key: write : and a space"},
		"a wide colon alone":       {"name：acme\n", "line 1 has a full-width colon"},
		"a wide colon in a list":   {"name: acme\nchannels:\n  - name： app\n    kind: wecom\n", "line 3 has a full-width colon"},
		"a wide colon in brackets": {"name: acme\nhistory: {turns：20, ttl: 1m}\n", "tenant.acme:2: history.turns: has a full-width colon (：) after it; write : and a space"},
		"a tab":                    {"name: acme\nhistory:\n\tturns: 3\n", "line 3 begins with a tab"},
		"something else":           {"name: [acme\n", "check indentation, colons and quotes there"},
		"wide colons in a text":    {"name: acme\nsystem_prompt: 你是助手：请回答。\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := tenant.Decode([]byte(c.content), tenant.Options{File: "tenant.acme", Name: "acme"}).Err()
			if c.want == "" && err == nil {
				return
			}
			if err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
