package app_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

func TestPictures(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 100)...)
	jpeg := append([]byte("\xff\xd8\xff\xe0"), make([]byte, 100)...)
	huge := append(bytes.Clone(jpeg), make([]byte, channel.MaxImage)...)
	for _, tc := range []struct {
		name string
		put  func(w *world) []string // media_ids
		want []chat.Picture
		kind chat.Kind
	}{
		{"one", func(w *world) []string { return []string{w.sim.PutMedia(ref.CorpID, "image/png", png)} }, []chat.Picture{{Type: "image/png", Data: png}}, 0},
		{"two, of which one is misnamed", func(w *world) []string {
			return []string{w.sim.PutMedia(ref.CorpID, "application/octet-stream", jpeg), w.sim.PutMedia(ref.CorpID, "image/jpeg", png)}
		}, []chat.Picture{{Type: "image/jpeg", Data: jpeg}, {Type: "image/png", Data: png}}, 0},
		{"a token that was revoked meanwhile", func(w *world) []string {
			w.sim.Inject(sim.Fault{API: "media/get", Code: 42001, Message: "access_token expired"})
			return []string{w.sim.PutMedia(ref.CorpID, "image/png", png)}
		}, []chat.Picture{{Type: "image/png", Data: png}}, 0},
		{"the largest", func(w *world) []string {
			return []string{w.sim.PutMedia(ref.CorpID, "image/jpeg", huge[:channel.MaxImage])}
		},
			[]chat.Picture{{Type: "image/jpeg", Data: huge[:channel.MaxImage]}}, 0},
		{"too large", func(w *world) []string { return []string{w.sim.PutMedia(ref.CorpID, "image/jpeg", huge)} }, nil, chat.TooLarge},
		{"no picture", func(w *world) []string {
			return []string{w.sim.PutMedia(ref.CorpID, "image/png", []byte("<svg onload=alert(1)>"))}
		}, nil, chat.Invalid},
		{"another corp's", func(w *world) []string { return []string{w.sim.PutMedia("wwother", "image/png", png)} }, nil, chat.NotFound},
		{"gone", func(*world) []string { return []string{"MEDIA_1"} }, nil, chat.NotFound},
		{"no id", func(*world) []string { return []string{""} }, nil, chat.Invalid},
		{"the platform is down", func(w *world) []string {
			w.sim.Inject(sim.Fault{API: "media/get", Status: 502})
			return []string{"M"}
		}, nil, chat.Unavailable},
		{"a gateway's page", func(w *world) []string {
			w.sim.Inject(sim.Fault{API: "media/get", Body: `{"ok":true}`})
			return []string{"M"}
		}, nil, chat.Unavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			var m chat.Message
			for _, id := range tc.put(w) {
				m.Images = append(m.Images, wecom.MediaImage(id))
			}
			got, err := w.app(t).Fetch(t.Context(), m)
			if (err == nil) != (tc.want != nil) || err != nil && chat.KindOf(err) != tc.kind {
				t.Fatalf("%v, want kind %v", err, tc.kind)
			}
			if diff := cmp.Diff(tc.want, got, cmp.Comparer(bytes.Equal)); diff != "" {
				t.Error(diff[:min(len(diff), 500)])
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name  string
		set   func(w *world, s map[string]any)
		kind  chat.Kind
		wants []string // none: it works
	}{
		{"works", func(*world, map[string]any) {}, 0, nil},
		{"a wrong secret", func(_ *world, s map[string]any) { s["secret"] = "wrong" }, chat.Unauthenticated, []string{"40001", "Secret"}},
		{"a wrong corp", func(_ *world, s map[string]any) { s["corp_id"] = "wwother" }, chat.Unauthenticated, []string{"40013", "企业ID"}},
		{"a wrong agent", func(_ *world, s map[string]any) { s["agent_id"] = 7 }, chat.Forbidden, []string{"301002"}},
		{"a strange address", func(w *world, _ map[string]any) {
			w.sim.Inject(sim.Fault{API: "agent/get", Code: 60020, Message: "not allow to access from your ip, hint: [1], from ip: 203.0.113.7, more info at https://"})
		}, chat.Forbidden, []string{"add 203.0.113.7 to 企业可信IP"}},
		{"switched off", func(w *world, _ map[string]any) {
			a := theApp()
			a.Stopped = true
			if err := w.sim.AddApp(a); err != nil {
				t.Fatal(err)
			}
		}, chat.Forbidden, []string{"停用"}},
		{"nobody sees it", func(w *world, _ map[string]any) {
			w.sim.Inject(sim.Fault{API: "agent/get", Body: `{"errcode":0,"errmsg":"ok","agentid":1000002,"name":"x","close":0,"allow_userinfos":{"user":[]},"allow_partys":{"partyid":[]}}`})
		}, chat.Forbidden, []string{"可见范围"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			s := settings()
			tc.set(w, s.Fields)
			d := w.deps()
			d.Tokens, d.Locks = nil, nil // a command has no Redis
			a, err := app.New(s, d)
			if err != nil {
				t.Fatal(err)
			}
			err = a.Check(t.Context())
			if (err == nil) != (len(tc.wants) == 0) || err != nil && chat.KindOf(err) != tc.kind {
				t.Fatalf("%v, want kind %v", err, tc.kind)
			}
			for _, want := range tc.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

// TestAModelsTextForgesNothing: WeCom shows <a href> in a text as a link that hides where it leads.
func TestAModelsTextForgesNothing(t *testing.T) {
	w := newWorld(t, sim.Options{})
	parts, err := w.app(t).Parts(chat.Message{User: "zhang"}, `看<a href="https://evil.example">公司公告</a>`, 1)
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Text struct{ Content string } }
	if err := json.Unmarshal(parts[0], &body); err != nil {
		t.Fatal(err)
	}
	if c := body.Text.Content; strings.Contains(c, "<a ") || !strings.Contains(c, "https://evil.example") {
		t.Errorf("the person sees %q", c)
	}
}

// TestAPictureComesByTheCallback is the way of a picture from the platform's callback to its bytes.
func TestAPictureComesByTheCallback(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 100)...)
	w := newWorld(t, sim.Options{})
	a := w.app(t)
	id := w.sim.PutMedia(ref.CorpID, "image/png", png)
	opened, err := a.Open(t.Context(), delivery(t, theApp(), sim.Message{Type: "image", User: "zhang", ID: "1", MediaID: id}, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Fetch(t.Context(), opened.Messages[0])
	if diff := cmp.Diff([]chat.Picture{{Type: "image/png", Data: png}}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
