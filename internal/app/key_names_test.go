package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
)

// The log tells which reference a fingerprint belongs to when a table comes into force, again only when that changes, and never a key.
func TestKeyNames(t *testing.T) {
	t.Parallel()
	values := map[string]string{"env:A_API_KEY": "sk-secret-1", "file:b": "sk-secret-2", "age:sealed": "sk-secret-3", "env:SAME_API_KEY": "sk-secret-1", "env:EMPTY_API_KEY": ""}
	print := func(key string) string { return chat.NewSecret(key).Fingerprint() }
	var out bytes.Buffer
	names := newKeyNames(func(ref string) (chat.Secret, error) {
		v, ok := values[ref]
		if !ok {
			return chat.Secret{}, errors.New("it is not set")
		}
		if v == "" {
			return chat.Secret{}, nil
		}
		return chat.NewSecret(v), nil
	}, slog.New(slog.NewJSONHandler(&out, nil)))
	load := func(providers string) (lines map[string][]string) {
		t.Helper()
		out.Reset()
		table, err := route.Parse([]byte("providers:\n"+providers+"models: {chat: [a/m]}\n"), route.Options{
			Outbound: []string{"http://fake"}, Dialects: []string{"openai"}, Resolve: names.resolve,
		})
		if err != nil {
			t.Fatal(err)
		}
		names.take(table)
		if strings.Contains(out.String(), "sk-secret") || strings.Contains(out.String(), "sealed") {
			t.Error("a secret is logged:", out.String())
		}
		lines = map[string][]string{}
		for line := range strings.Lines(out.String()) {
			var l struct {
				Msg, Provider string
				Keys          []string
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg != "keys by fingerprint" {
				t.Errorf("%s: %v", line, err)
			}
			lines[l.Provider] = l.Keys
		}
		return lines
	}
	const a = "  a: {dialect: openai, base_url: 'http://fake', key: [env:A_API_KEY, env:GONE_API_KEY, env:EMPTY_API_KEY, file:b, 'age:sealed']}\n"
	const none = "  c: {dialect: openai, base_url: 'http://fake'}\n"
	wantA := []string{print("sk-secret-1") + " env:A_API_KEY", print("sk-secret-2") + " file:b", print("sk-secret-3") + " age:…"}
	steps := []struct {
		name   string
		change func()
		doc    string
		want   map[string][]string
	}{
		{"first", func() {}, a + none, map[string][]string{"a": wantA}},
		{"nothing new", func() {}, a + none, map[string][]string{}},
		{"another provider, with a key that is known", func() {}, a + "  b: {dialect: openai, base_url: 'http://fake', key: file:b}\n",
			map[string][]string{"b": {print("sk-secret-2") + " file:b"}}},
		{"a key is renewed", func() { values["file:b"] = "sk-secret-4" }, a,
			map[string][]string{"a": {wantA[0], print("sk-secret-4") + " file:b", wantA[2]}}},
		{"one key under two names", func() {}, "  a: {dialect: openai, base_url: 'http://fake', key: [env:A_API_KEY, env:SAME_API_KEY]}\n",
			map[string][]string{"a": {wantA[0] + " env:SAME_API_KEY", wantA[0] + " env:SAME_API_KEY"}}},
		{"one of the names goes", func() {}, "  a: {dialect: openai, base_url: 'http://fake', key: env:SAME_API_KEY}\n",
			map[string][]string{"a": {print("sk-secret-1") + " env:SAME_API_KEY"}}},
	}
	for _, step := range steps {
		step.change()
		if diff := cmp.Diff(step.want, load(step.doc)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	if len(names.refs) != 0 {
		t.Errorf("it remembers keys that are gone: %v", names.refs)
	}
}
