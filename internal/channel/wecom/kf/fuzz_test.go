package kf_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom/kf"
	"parley/internal/chat"
)

// FuzzPage gives the reader of sync_msg's entries whatever may come. Nothing panics, and what comes out can be answered.
func FuzzPage(f *testing.F) {
	k, err := kf.New(settings(), channel.Deps{
		Origins: channel.Origins{WeCom: "https://qyapi.weixin.qq.com"}, Memo: channeltest.NewCache(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"msgid":"1","open_kfid":"wk","external_userid":"wm","send_time":1700000000,"origin":3,"msgtype":"text","text":{"content":"好"}}`))
	f.Add([]byte(`{"msgid":"2","origin":4,"msgtype":"event","event":{"event_type":"enter_session","external_userid":"wm","welcome_code":"c"}}`))
	f.Add([]byte(`{"msgid":"3","external_userid":"wm","send_time":9223372036854775807,"origin":3,"msgtype":"image","image":{"media_id":""}}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, m := range kf.Read(k, []json.RawMessage{raw}, account) {
			if m.ID == "" || m.User == "" || m.Conversation.ID == "" || m.Kind == "" {
				t.Fatalf("%q became %+v", raw, m)
			}
			if _, err := k.Parts(m, "好", 1); err != nil {
				t.Fatalf("%q cannot be answered: %v", raw, err)
			}
			if m.Kind == chat.KindText && len(m.Images) > 1 {
				t.Fatalf("%d images", len(m.Images))
			}
		}
	})
}
