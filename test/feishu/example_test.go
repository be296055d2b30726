package feishu

import (
	"log/slog"
	"os"
	"path/filepath"
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
	content, err := os.ReadFile(filepath.Join(root, "configs", "channels", "tenant.feishu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(_, ref string) (chat.Secret, error) { return chat.NewSecret(ref), nil }
	co, err := wire.DecodeCompany(liveconfig.Document{Name: "tenant.feishu", Content: content}, resolve,
		channel.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer co.Close()
	_, calls := co.Channels["lark"].(channel.Callback)
	_, runs := co.Channels["lark-stream"].(channel.Runner)
	if len(co.Channels) != 2 || !calls || !runs || co.Channels["lark"].Live() == 0 {
		t.Errorf("%+v", co.Channels)
	}
}
