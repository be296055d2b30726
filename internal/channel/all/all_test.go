package all_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/all"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
)

func TestNew(t *testing.T) {
	d := channel.Deps{HTTP: &http.Client{}, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	app := &channeltest.Settings{TenantName: "acme", Entry: "app", Fields: map[string]any{
		"corp_id": "ww1", "agent_id": 1, "secret": "s", "token": "t", "aes_key": strings.Repeat("a", 43),
	}}
	c, err := all.New("wecom", app, d)
	if err != nil || c.Kind() != "wecom" {
		t.Fatalf("%v, %v", c, err)
	}
	for _, kind := range []string{"", "WeCom", "telegram"} {
		c, err := all.New(kind, app, d)
		if c != nil || chat.KindOf(err) != chat.Invalid {
			t.Fatalf("%q: %v, %v", kind, c, err)
		}
		for _, known := range all.Kinds() {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("the error does not offer %s: %v", known, err)
			}
		}
	}
	app.Fields["aes_key"] = "short"
	if c, err := all.New("wecom", app, d); c != nil || chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "aes_key") {
		t.Errorf("%v, %v", c, err)
	}
}
