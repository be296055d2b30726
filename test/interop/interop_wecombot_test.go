package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel/wecom"
	"parley/internal/chat"
	"parley/internal/sim/wecom/bot"
)

// heard is what the SDK's bot says.
type heard struct{ Event, User, Chat, Text, Quote string }

// sdkBot is WeCom's SDK for Node at a simulated platform.
type sdkBot struct {
	*testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	end   io.Closer
}

func startBot(ctx context.Context, t *testing.T, modules, wsURL, secret string) *sdkBot {
	t.Helper()
	cmd := exec.CommandContext(ctx, "node", "wecombot/robot.cjs")
	cmd.Env = append(os.Environ(), "MODULES="+modules, "BOT_ID=aib-interop", "SECRET="+secret, "WS_URL="+wsURL, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the SDK said:\n%s", stderr.String())
		}
	})
	return &sdkBot{T: t, cmd: cmd, lines: bufio.NewScanner(out), end: in}
}

func (b *sdkBot) hears(want heard) heard {
	b.Helper()
	if !b.lines.Scan() {
		b.Fatalf("the bot ended before it heard %+v", want)
	}
	var got heard
	if err := json.Unmarshal(b.lines.Bytes(), &got); err != nil {
		b.Fatalf("%q: %v", b.lines.Text(), err)
	}
	if want.Event == "error" {
		want.Text = got.Text
	}
	if d := cmp.Diff(want, got); d != "" {
		b.Fatalf("(-want +got)\n%s", d)
	}
	return got
}

// TestWeComBotSDK: WeCom's own SDK for Node understands the simulated platform that the channel is tested against: subscription, pings, messages,
// events, stream frames and their answers, pictures with their keys, and that a newer connection evicts the older.
func TestWeComBotSDK(t *testing.T) {
	modules := filepath.Join(Installed(t, "wecombot_node"), "node_modules")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const id, secret = "aib-interop", "a-secret"
	sim := bot.New(bot.Options{})
	srv := httptest.NewServer(sim.Handler())
	defer srv.Close()
	defer sim.Close()
	sim.At(srv.URL)
	if err := sim.AddBot(bot.Bot{ID: id, Name: "小助手", Secret: secret}); err != nil {
		t.Fatal(err)
	}
	ws := "ws" + strings.TrimPrefix(srv.URL, "http")
	wrong := startBot(ctx, t, modules, ws, "wrong")
	if got := wrong.hears(heard{Event: "error"}); !strings.Contains(got.Text, "Authentication failed") {
		t.Errorf("a wrong secret: %+v", got)
	}
	sdk := startBot(ctx, t, modules, ws, secret)
	sdk.hears(heard{Event: "authenticated"})
	time.Sleep(5 * time.Second) // three pings: two without an answer would end the connection

	push := func(m bot.Message) bot.Posted {
		t.Helper()
		p, err := sim.Push(ctx, id, m)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := push(bot.Message{User: "zhang", Text: "你好", Quote: "早"})
	sdk.hears(heard{Event: "text", User: "zhang", Text: "你好", Quote: "早"})
	sdk.hears(heard{Event: "answered"})
	var seen []string
	for _, n := range sim.Shown(id, "zhang") {
		seen = append(seen, n.Text)
	}
	if d := cmp.Diff([]string{"一", "一二", "**pushed**"}, seen); d != "" {
		t.Errorf("zhang sees (-want +got)\n%s", d)
	}
	if state, _, ok := sim.Answer(p.ID); !ok || !state.Finished {
		t.Errorf("the stream is %+v", state)
	}
	push(bot.Message{User: "li", Chat: "room", Text: "大家好"})
	sdk.hears(heard{Event: "text", User: "li", Chat: "room", Text: "@小助手 大家好"})
	sdk.hears(heard{Event: "answered"})
	png := append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{7}, 100)...)
	push(bot.Message{User: "zhang", Text: "看", Images: [][]byte{png}})
	sdk.hears(heard{Event: "picture", Text: base64.StdEncoding.EncodeToString(png)})
	push(bot.Message{User: "wang", Event: "enter_chat"})
	sdk.hears(heard{Event: "welcomed"})
	if got := sim.Shown(id, "wang"); len(got) != 1 || got[0].Text != "欢迎" {
		t.Errorf("wang sees %+v", got)
	}
	newer := startBot(ctx, t, modules, ws, secret)
	newer.hears(heard{Event: "authenticated"})
	sdk.hears(heard{Event: "evicted"})
	if wrong := sim.Violations(); len(wrong) > 0 {
		t.Errorf("the platform objects: %q", wrong)
	}
}

// TestWeComBotCrypto: WeCom's crypto for Node opens what Parley seals and the other way round, for an AI bot, whose receiver is empty, and for a company.
func TestWeComBotCrypto(t *testing.T) {
	modules := filepath.Join(Installed(t, "wecombot_node"), "node_modules")
	const token, key, timestamp, nonce = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "1409659589", "263014780"
	type asked struct {
		Token     string `json:"token"`
		Key       string `json:"key"`
		Timestamp string `json:"timestamp"`
		Nonce     string `json:"nonce"`
		Encrypt   string `json:"encrypt"`
		Signature string `json:"signature"`
	}
	var envelopes []*wecom.Envelope
	var messages []string
	var in bytes.Buffer
	for _, receiver := range []string{"", "wx5823bf96d3bd56c7"} {
		e, err := wecom.NewEnvelope(receiver, []chat.Secret{chat.NewSecret(token)}, []chat.Secret{chat.NewSecret(key)})
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range []string{`{"msgtype":"stream"}`, "好", strings.Repeat("x", 31), strings.Repeat("长", 5000)} {
			s := e.Seal([]byte(message), timestamp, nonce)
			line, _ := json.Marshal(asked{token, key, timestamp, nonce, s.Encrypt, s.Signature})
			in.Write(append(line, '\n'))
			envelopes, messages = append(envelopes, e), append(messages, message)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "wecombot/envelope.cjs")
	cmd.Env, cmd.Stdin = append(os.Environ(), "MODULES="+modules), &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(messages) {
		t.Fatalf("%d answers to %d", len(answers), len(messages))
	}
	for i, line := range answers {
		var got struct {
			Message, Receiver, Encrypt, Signature string
			Signed                                bool
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || !got.Signed || got.Message != messages[i] {
			t.Errorf("it opened %.60q, signed %v, %v", got.Message, got.Signed, err)
		}
		plain, err := envelopes[i].Open(wecom.Sealed{Encrypt: got.Encrypt, Signature: got.Signature, Timestamp: timestamp, Nonce: nonce})
		if err != nil || string(plain) != messages[i] {
			t.Errorf("what it sealed opens as %.60q, %v", plain, err)
		}
	}
}
