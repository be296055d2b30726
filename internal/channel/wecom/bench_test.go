package wecom_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/silenceper/wechat/v2/work/message"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// BenchmarkPost is one message/send, and the platform that takes it.
func BenchmarkPost(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "gettoken") {
			_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok","access_token":"token","expires_in":7200}`)
			return
		}
		_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok","msgid":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`)
	}))
	defer server.Close()
	cache := channeltest.NewCache()
	c := wecom.NewClient(wecom.Account{Tenant: "acme", CorpID: "ww1", Agent: "1", Secret: chat.NewSecret("right")}, channel.Deps{
		HTTP: &http.Client{Timeout: 10 * time.Second}, Origins: channel.Origins{WeCom: server.URL},
		Tokens: cache, Locks: cache, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	text := []byte(`{"touser":"zhang","msgtype":"text","agentid":1,"text":{"content":"` + strings.Repeat("答", 600) + `"}}`)
	b.ReportAllocs()
	for b.Loop() {
		var answer message.SendResponse
		if err := c.Post(b.Context(), sendPath, text, &answer); err != nil {
			b.Fatal(err)
		}
	}
}
