package chat_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

func TestSecretNeverPrints(t *testing.T) {
	const plain = "canary-1234567890"
	s := chat.NewSecret(plain)
	type holder struct {
		Key  chat.Secret
		Keys map[string][]chat.Secret
		ptr  *chat.Secret
	}
	h := holder{Key: s, Keys: map[string][]chat.Secret{"openai": {s}}, ptr: &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%c"} {
		fmt.Fprintf(&out, verb, s)
		fmt.Fprintf(&out, verb, h)
		fmt.Fprintf(&out, verb, &h)
	}
	fmt.Fprintln(&out, s, h, *h.ptr)
	for _, enc := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		b, err := enc(h)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewJSONHandler(&out, nil)), slog.New(slog.NewTextHandler(&out, nil))} {
		log.Info("x", "key", s, "holder", h, "group", slog.GroupValue(slog.Any("s", s)))
	}
	fmt.Fprintln(&out, chat.E(chat.Invalid, "op", fmt.Errorf("with %v", s)))
	hex := fmt.Sprintf("%x", plain)
	for _, form := range []string{plain, hex, strings.ToUpper(hex)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret was printed:\n%s", out.String())
		}
	}
	if !s.Equal(chat.NewSecret(plain)) || s.Equal(chat.Secret{}) || s.Equal(chat.NewSecret("other")) {
		t.Error("Equal disagrees with the value")
	}
	if s.Reveal() != plain || chat.NewSecret("") != (chat.Secret{}) || s.IsZero() || !(chat.Secret{}).IsZero() {
		t.Error("Reveal and IsZero disagree with the value")
	}
	if a, b := s.Fingerprint(), chat.NewSecret(plain+"x").Fingerprint(); a == b || strings.Contains(plain, a) {
		t.Errorf("fingerprints %q, %q", a, b)
	}
}
