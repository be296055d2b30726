package openai

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
)

func TestConformance(t *testing.T) {
	c := newCompany("acme")
	channeltest.Run(t, channeltest.Suite{
		New:     func(t *testing.T, d channel.Deps) channel.Channel { return c.channel(t, d, testKey) },
		Secrets: []string{testKey}, SendsNowhere: true,
		Text: func(_ *testing.T, p chat.Part) string { return string(p) },
	})
	ch := c.channel(t, c.deps(), testKey)
	if err := ch.Send(t.Context(), chat.Message{}, nil); chat.KindOf(err) != chat.Invalid {
		t.Errorf("sent: %v", err)
	}
}

func TestSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		fields map[string]any
		keys   int
		fault  string // a part of the one there is
	}{
		"one":         {map[string]any{"keys": "k1"}, 1, ""},
		"rotation":    {map[string]any{"keys": []string{"k1", "k2"}}, 2, ""},
		"no limit":    {map[string]any{"keys": "k1", "per_minute": "0"}, 1, ""},
		"none":        {map[string]any{}, 0, "keys: is missing"},
		"a space":     {map[string]any{"keys": "k 1"}, 0, "an HTTP header cannot carry"},
		"a letter":    {map[string]any{"keys": "钥匙"}, 0, "an HTTP header cannot carry"},
		"twice":       {map[string]any{"keys": []string{"k1", "k1"}}, 1, "two of the keys are the same"},
		"below":       {map[string]any{"keys": "k1", "per_minute": "-1"}, 1, `per_minute: "-1" is not a number`},
		"not a limit": {map[string]any{"keys": "k1", "per_minute": "many"}, 1, `per_minute: "many" is not a number`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &channeltest.Settings{TenantName: "acme", Entry: "api", Fields: tt.fields}
			c := New(s, newCompany("acme").deps())
			if len(c.keys) != tt.keys || len(s.Unread()) > 0 {
				t.Errorf("%d keys, unread %v", len(c.keys), s.Unread())
			}
			if faults := strings.Join(s.Faults, "\n"); tt.fault == "" && faults != "" || !strings.Contains(faults, tt.fault) || strings.Contains(faults, "k1") {
				t.Errorf("faults %q, want %q", faults, tt.fault)
			}
		})
	}
}

func TestClash(t *testing.T) {
	c := newCompany("acme")
	all := map[string]channel.Channel{"a": c.channel(t, c.deps(), "k1", "k2"), "b": c.channel(t, c.deps(), "k3"), "other": nil}
	if err := Clash(all); err != nil {
		t.Error(err)
	}
	all["c"] = c.channel(t, c.deps(), "k4", "k2")
	err := Clash(all)
	if err == nil {
		t.Fatal("two channels with one key are no fault")
	}
	if diff := cmp.Diff("channels a and c have a key in common: give each its own", err.Error()); diff != "" {
		t.Error(diff)
	}
}
