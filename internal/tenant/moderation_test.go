package tenant_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/tenant"
)

func TestModeration(t *testing.T) {
	opt := tenant.Options{
		File: "tenant.acme", Name: "acme",
		Resolve: func(_, ref string) (chat.Secret, error) {
			return chat.NewSecret(map[string]string{"file:list": "# those of 2026\n一\n\n 二 \r\n", "env:ACME_H": "key"}[ref]), nil
		},
		Origin: func(o string) error {
			if o != "https://m.example.com:8443" {
				return fmt.Errorf("is at %s, which is not allowed", o)
			}
			return nil
		},
	}
	decode := func(moderation string) (*chat.Moderation, error) {
		d := tenant.Decode([]byte("name: acme\nmoderation: "+moderation), opt)
		return d.Tenant.Moderation, d.Err()
	}
	both := chat.Directions{Input: true, Output: true}
	for text, want := range map[string]*chat.Moderation{
		"":                               nil,
		"{words: [a, file:list, 三]}":     {Words: []string{"a", "一", "二", "三"}, On: both},
		"{words: file:list, on: output}": {Words: []string{"一", "二"}, On: chat.Directions{Output: true}},
		"{hook: {url: 'https://m.example.com:8443/x', secret: env:ACME_H, fail: open, on: [input]}}": {On: both, Hook: &chat.Hook{
			URL: "https://m.example.com:8443/x", Secret: chat.NewSecret("key"), Timeout: 2 * time.Second, FailOpen: true, On: chat.Directions{Input: true},
		}},
	} {
		got, err := decode(text)
		if diff := cmp.Diff(want, got, cmp.Comparer(chat.Secret.Equal)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"{on: [input]}": "words: is missing, and so is hook",
		"{hook: {url: 'https://elsewhere.example.com/x', secret: env:ACME_H}}": "hook.url: is at https://elsewhere.example.com, which is not allowed",
		"{hook: {url: 'https://m.example.com:8443/x'}}":                        "hook.secret: is missing",
	} {
		_, err := decode(text)
		if faults, ok := errors.AsType[tenant.Faults](err); !ok || !strings.Contains(faults.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
