package wecombot

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/liveconfig"
	"parley/test/rig"
)

// TestExample loads what a newcomer copies, as it stands: every field is known and right.
func TestExample(t *testing.T) {
	root, err := rig.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, "configs", "channels", "tenant.wecombot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(_, _ string) (chat.Secret, error) { return chat.NewSecret(strings.Repeat("a", 43)), nil }
	co, err := wire.DecodeCompany(liveconfig.Document{Name: "tenant.wecombot", Content: content}, resolve,
		channel.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer co.Close()
	_, calls := co.Channels["bot"].(channel.Callback)
	_, runs := co.Channels["bot-stream"].(channel.Runner)
	if len(co.Channels) != 2 || !calls || !runs {
		t.Errorf("%+v", co.Channels)
	}
}
