package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/feishu"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

const feishuApp = "cli_interop"

// larkBot is a bot of Feishu's own SDK and the simulated platform that it is on.
type larkBot struct {
	*testing.T
	ctx      context.Context
	platform *sim.Sim
	app      sim.App
	in       io.WriteCloser
	lines    *bufio.Scanner
}

func newLarkBot(t *testing.T, mode string, opt sim.Options) *larkBot {
	t.Helper()
	python := Installed(t, "feishu_python")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	opt.Retries, opt.PerChat, opt.AckWithin = []time.Duration{}, -1, 20*time.Second // one try: it must be taken
	b := &larkBot{T: t, ctx: ctx, platform: sim.New(opt)}
	srv := httptest.NewServer(b.platform.Handler())
	t.Cleanup(srv.Close)
	b.app = sim.App{AppID: feishuApp, AppSecret: "a-secret", EncryptKey: "an-encrypt-key", VerificationToken: "a-token", Stream: mode == "stream"}
	cmd := exec.CommandContext(ctx, filepath.Join(python, "bin", "python"), "feishu/bot.py")
	cmd.Env = append(os.Environ(), "MODE="+mode, "ORIGIN="+srv.URL, "APP="+b.app.AppID, "SECRET="+b.app.AppSecret, "KEY="+b.app.EncryptKey,
		"TOKEN="+b.app.VerificationToken, "TIMESTAMP="+larkTimestamp, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var err error
	if b.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the SDK said:\n%s", stderr.String())
		}
	})
	b.lines = bufio.NewScanner(out)
	if mode == "callback" {
		var at struct{ Port int }
		b.hear(&at)
		b.app.Callbacks = []string{fmt.Sprintf("http://127.0.0.1:%d/callback", at.Port)}
	}
	if err := b.platform.AddApp(b.app); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *larkBot) hear(into any) {
	b.Helper()
	for first := true; first || !bytes.HasPrefix(b.lines.Bytes(), []byte("{")); first = false { // the SDK logs there, too
		if !b.lines.Scan() {
			b.Fatal("the bot ended")
		}
	}
	if err := json.Unmarshal(b.lines.Bytes(), into); err != nil {
		b.Fatalf("%q: %v", b.lines.Text(), err)
	}
}

// heard is what the bot says next, as it is.
func (b *larkBot) heard() (said map[string]any) {
	b.Helper()
	b.hear(&said)
	return said
}

func (b *larkBot) push(m sim.Message) sim.Posted {
	b.Helper()
	p, err := b.platform.Push(b.ctx, feishuApp, m)
	if err != nil || len(p.Tries) != 1 {
		b.Fatalf("%+v, %v", p.Tries, err)
	}
	return p
}

// TestFeishuSDK: Feishu's own SDK for Python understands the simulated platform that the channel is tested against, in both modes: challenge,
// encryption, signature and token, the connection with its tickets and frames, events, replies with uuids, cards, messages and pictures.
func TestFeishuSDK(t *testing.T) {
	for name, opt := range map[string]sim.Options{"callback": {}, "stream": {PingInterval: time.Second}, "stream, in pieces": {SplitAt: 100}} {
		t.Run(name, func(t *testing.T) {
			mode := "stream"
			if name == "callback" {
				mode = name
			}
			b := newLarkBot(t, mode, opt)
			if mode == "callback" {
				b.verifies()
			} else {
				for end := time.Now().Add(time.Minute); b.platform.Connections(feishuApp) == 0; time.Sleep(50 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("the SDK does not connect")
					}
				}
				time.Sleep(1500 * time.Millisecond) // a ping
			}
			b.understands()
		})
	}
}

// verifies: the platform's question for an address is answered, and what was changed on its way is refused.
func (b *larkBot) verifies() {
	b.Helper()
	if err := b.platform.Verify(b.ctx, feishuApp); err != nil {
		b.Error(err)
	}
	m := sim.Message{ID: "om_1", EventID: "ev1", User: "ou_z", CreatedAt: time.Now(), Type: "text", Content: `{"text":"x"}`}
	for what, change := range map[string]func(http.Header, []byte) []byte{
		"signature": func(h http.Header, body []byte) []byte { h.Set("X-Lark-Signature", "0"); return body },
		"body":      func(_ http.Header, body []byte) []byte { return append(body, ' ') },
	} {
		header, body := sim.SealDocument(b.app, sim.Document(b.app, m), time.Now())
		body = change(header, body)
		req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.app.Callbacks[0], bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			b.Errorf("a changed %s was taken", what)
		}
	}
}

func (b *larkBot) understands() {
	b.Helper()
	type object = map[string]any
	p := b.push(sim.Message{User: "ou_zhang", Text: "你好"})
	want := object{
		"id": p.ID, "user": "ou_zhang", "chat": "oc_p2p_ou_zhang", "type": "text", "group": false, "content": object{"text": "你好"}, "mentions": []any{},
		"app": feishuApp, "thread": "", "parent": "", "time": true,
	}
	if d := cmp.Diff(want, b.heard()); d != "" {
		b.Errorf("single chat (-want +got)\n%s", d)
	}
	for _, want := range []object{{"late": 300309.}, {"fetched": true}} {
		if d := cmp.Diff(want, b.heard()); d != "" {
			b.Errorf("its answers (-want +got)\n%s", d)
		}
	}
	shown, err := b.platform.Await(b.ctx, "oc_p2p_ou_zhang", 3)
	if err != nil {
		b.Fatal(err)
	}
	got := [][2]string{}
	for _, m := range shown {
		got = append(got, [2]string{m.Type, m.Text})
	}
	if d := cmp.Diff([][2]string{{"text", "a text"}, {"post", "**rich**"}, {"interactive", "one two three"}}, got); d != "" {
		b.Errorf("people see (-want +got)\n%s", d)
	}
	if n := b.platform.Stats().Duplicates; n != 1 {
		b.Errorf("%d repetitions were swallowed, want 1", n)
	}
	p = b.push(sim.Message{User: "ou_li", Group: "oc_g", At: true, Text: "在吗", Thread: "omt_1", Root: "om_r", Parent: "om_r"})
	want = object{
		"id": p.ID, "user": "ou_li", "chat": "oc_g", "type": "text", "group": true, "content": object{"text": "@_user_1 在吗"},
		"mentions": []any{"ou_bot_" + feishuApp}, "app": feishuApp, "thread": "omt_1", "parent": "om_r", "time": true,
	}
	if d := cmp.Diff(want, b.heard()); d != "" {
		b.Errorf("group (-want +got)\n%s", d)
	}
	b.heard()
	b.heard()
	pixel := []byte("\x89PNG\r\n\x1a\n")
	b.push(sim.Message{User: "ou_li", Pictures: [][]byte{pixel}})
	b.heard()
	if d := cmp.Diff(object{"picture": base64.StdEncoding.EncodeToString(pixel)}, b.heard()); d != "" {
		b.Errorf("picture (-want +got)\n%s", d)
	}
	b.push(sim.Message{User: "ou_li", Event: sim.EventEntered})
	if d := cmp.Diff(object{"entered": "ou_li", "chat": "oc_p2p_ou_li"}, b.heard()); d != "" {
		b.Errorf("(-want +got)\n%s", d)
	}
	b.push(sim.Message{User: "ou_li", Group: "oc_g", Event: sim.EventAdded})
	if d := cmp.Diff(object{"added": "ou_li", "chat": "oc_g"}, b.heard()); d != "" {
		b.Errorf("(-want +got)\n%s", d)
	}
}

const larkTimestamp = "1795348800"

// TestFeishuSealedElsewhere: what another implementation seals and signs, the channel opens.
func TestFeishuSealedElsewhere(t *testing.T) {
	b := newLarkBot(t, "seal", sim.Options{})
	cache := channeltest.NewCache()
	c, err := feishu.New(&channeltest.Settings{TenantName: "acme", Entry: "lark", Fields: map[string]any{
		"app_id": feishuApp, "app_secret": b.app.AppSecret, "encrypt_key": b.app.EncryptKey, "verification_token": b.app.VerificationToken,
	}}, channel.Deps{HTTP: &http.Client{}, Memo: cache, Tokens: cache, Locks: cache, Limits: cache, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	open := func(text string) (channel.Opened, error) {
		t.Helper()
		content, _ := json.Marshal(map[string]string{"text": text})
		doc := sim.Document(b.app, sim.Message{ID: "om_1", EventID: "ev1", User: "ou_z", CreatedAt: time.Now(), Type: "text", Content: string(content)})
		if _, err := fmt.Fprintf(b.in, "%s\n", doc); err != nil {
			t.Fatal(err)
		}
		var sealed struct{ Body, Signature string }
		b.hear(&sealed)
		return c.(channel.Callback).Open(t.Context(), channel.Delivery{
			Header: http.Header{"X-Lark-Request-Timestamp": {larkTimestamp}, "X-Lark-Request-Nonce": {"nonce"}, "X-Lark-Signature": {sealed.Signature}},
			Body:   []byte(sealed.Body), Now: time.Unix(1795348800, 0),
		})
	}
	for _, text := range []string{"你好", "a", "0123456789abcde", "0123456789abcdef", "\U0001F469 \"quoted\""} {
		opened, err := open(text)
		if err != nil || len(opened.Messages) != 1 || opened.Messages[0].Text != text || opened.Messages[0].Kind != chat.KindText {
			t.Errorf("%q: opened %+v, %v", text, opened.Messages, err)
		}
	}
}
