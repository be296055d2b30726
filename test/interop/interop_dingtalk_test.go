package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sim "parley/internal/sim/dingtalk"
)

// understood is what the SDK's robot says of a message.
type understood struct {
	User, Sender, Chat, Type, Robot string
	Texts                           []string
	Pictures                        int
	Expires, Quote                  bool
	URL                             string
}

// TestDingTalkSDK: DingTalk's own SDK for Python understands the simulated platform that the channel is tested against: connection, ticket, frames
// and acknowledgements, messages, webhooks, downloads, and cards as the SDK writes them.
func TestDingTalkSDK(t *testing.T) {
	python := Installed(t, "dingtalk_python")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const key, secret, template, group = "dinginterop", "a-secret", "tpl.schema", "cidInterop=="
	platform := sim.New(sim.Options{Tries: 1, PingEvery: 2 * time.Second})
	srv := httptest.NewServer(platform.Handler())
	defer srv.Close()
	platform.SetOrigin(srv.URL)
	if err := platform.AddApp(sim.App{Key: key, Secret: secret, Template: template}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(python, "bin", "python"), "dingtalk/robot.py")
	cmd.Env = append(os.Environ(), "DINGTALK_OPENAPI_ENDPOINT="+srv.URL, "KEY="+key, "SECRET="+secret, "TEMPLATE="+template, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the SDK said:\n%s", stderr.String())
		}
	}()
	lines := bufio.NewScanner(out)
	hear := func() (u understood) {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the robot ended")
		}
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		return u
	}
	for end := time.Now().Add(time.Minute); platform.Links(key) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the SDK does not connect")
		}
	}
	said := func(m sim.Message) {
		t.Helper()
		if p, err := platform.Push(ctx, key, m); err != nil || !p.Acked || p.Tries[0].Status != http.StatusOK {
			t.Fatalf("%+v, %v", p.Tries, err)
		}
	}
	time.Sleep(5 * time.Second) // two pings: whoever did not echo the first is gone
	said(sim.Message{User: "zhang", Nick: "张三", Text: "你好", Quote: &sim.Quote{Type: "text", Text: "早"}})
	want := understood{User: "zhang", Sender: "$:LWCP_v1:$zhang", Chat: "1", Type: "text", Robot: key, Texts: []string{"你好"}, Expires: true, Quote: true}
	if d := cmp.Diff(want, hear()); d != "" {
		t.Errorf("single chat (-want +got)\n%s", d)
	}
	said(sim.Message{User: "li", Group: group, Type: "richText", Text: "看", Pictures: [][]byte{[]byte("\x89PNG\r\n\x1a\n")}})
	want = understood{User: "li", Sender: "$:LWCP_v1:$li", Chat: "2", Type: "richText", Robot: key, Texts: []string{"看"}, Pictures: 1, Expires: true}
	if d := cmp.Diff(want, hear()); d != "" {
		t.Errorf("group (-want +got)\n%s", d)
	}
	if u := hear(); !strings.HasPrefix(u.URL, srv.URL+"/files/") {
		t.Errorf("the picture is at %q", u.URL)
	}
	for chat, user := range map[string]string{"zhang": "zhang", group: "li"} {
		shown, err := platform.Await(ctx, key, chat, 3)
		if err != nil {
			t.Fatal(err)
		}
		got := [][2]string{}
		for _, m := range shown {
			got = append(got, [2]string{m.Type, m.Content})
			if m.Type == "card" && (!m.Final || m.Updates != 2) {
				t.Errorf("%s's card: %+v", user, m)
			}
		}
		if d := cmp.Diff([][2]string{{"text", "a text"}, {"markdown", "**Markdown**"}, {"card", "the whole"}}, got); d != "" {
			t.Errorf("%s sees (-want +got)\n%s", user, d)
		}
	}
	if err := platform.Leave(key); err != nil {
		t.Fatal(err)
	}
}
