package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// TestExample loads what a newcomer copies, as it stands: every field is known and right, and does what its comment says.
func TestExample(t *testing.T) {
	root, err := rig.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, "configs", "channels", "tenant.web.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(_, ref string) (chat.Secret, error) { return chat.NewSecret(ref), nil }
	co, err := wire.DecodeCompany(liveconfig.Document{Name: "tenant.web", Content: content}, resolve,
		channel.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer co.Close()
	for name, want := range map[string][]string{
		"web":      {"AI 助手", "你好，有什么可以帮你？", "内容由 AI 生成，请核对重要信息", "<button type=\"button\">帮我写一封请假邮件</button>", "frame-ancestors 'none'"},
		"intranet": {"frame-ancestors https://intranet.example.com https://help.example.com"},
	} {
		page, ok := co.Channels[name].(channel.Page)
		if !ok {
			t.Fatalf("channel %s is %T", name, co.Channels[name])
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://chat.example.com/chat/web/"+name, nil))
		for _, text := range want {
			if !strings.Contains(w.Body.String()+w.Header().Get("Content-Security-Policy"), text) {
				t.Errorf("the page of %s lacks %q", name, text)
			}
		}
	}
}
