package openai

import (
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/route"
)

// A key that no header can carry is that key's fault. As an unavailable provider it would let one tenant shut the provider to all others.
func TestKeysThatNoHeaderCarries(t *testing.T) {
	for name, key := range map[string]string{
		"a second line": "sk-one\nX-Evil: 1", "an end of line": "sk-one\r\n", "zero": "sk\x00one", "a BOM": "\ufeffsk-one", "a space": "sk one",
		"Chinese": "密钥", "broken UTF-8": "sk\xff",
	} {
		for _, auth := range []string{route.AuthBearer, route.AuthAPIKey} {
			t.Run(name+" "+auth, func(t *testing.T) {
				p, err := New(llm.Endpoint{BaseURL: "http://127.0.0.1:1", Auth: auth, Connect: time.Second}, llm.Dialect{})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				_, err = p.Complete(t.Context(), llm.Call{Model: "m", Question: "q", Key: chat.NewSecret(key)}, ignore)
				if chat.KindOf(err) != chat.Unauthenticated || strings.Contains(err.Error(), key) {
					t.Errorf("got %v", err)
				}
				if err := p.Check(t.Context(), chat.NewSecret(key)); chat.KindOf(err) != chat.Unauthenticated {
					t.Errorf("the check gives %v", err)
				}
			})
		}
	}
}
