package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/app"
	"parley/internal/app/dev"
	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/sim/llm"
)

// ask says text on the phone and waits for the reply.
func (d devRun) ask(t *testing.T, text string) (reply string, by dev.By) {
	t.Helper()
	var said struct{ ID int64 }
	body := post(t, http.DefaultClient, d.addr+"/dev/phones/app/messages", map[string]string{"user": "zhangsan", "text": text})
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatal(err)
	}
	type shown struct {
		Of   int64
		Text string
		By   *dev.By
	}
	var e shown
	follow(t, http.DefaultClient, d.addr+"/dev/phones/events", func(event, data string) bool {
		e = shown{}
		return event == "shown" && json.Unmarshal([]byte(data), &e) == nil && e.Of == said.ID
	})
	if e.By == nil {
		t.Fatalf("nobody knows who answered %q", e.Text)
	}
	return e.Text, *e.By
}

// operate posts to the panel and returns the status and what came back.
func (d devRun) operate(t *testing.T, what string, body any) (status int, said []byte) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(d.addr+"/dev/operator/"+what, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out bytes.Buffer
	if _, err := out.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out.Bytes()
}

// act is operate for what must succeed.
func (d devRun) act(t *testing.T, what string, body any) dev.Act {
	t.Helper()
	status, said := d.operate(t, what, body)
	var a dev.Act
	if err := json.Unmarshal(said, &a); err != nil || status != http.StatusOK {
		t.Fatalf("%s %v: %d %s", what, body, status, said)
	}
	return a
}

func (d devRun) standing(t *testing.T) dev.Standing {
	t.Helper()
	res, err := http.Get(d.addr + "/dev/operator")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var s dev.Standing
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func lacks(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in:\n%s", p, text)
		}
	}
}

// The way of one operator switch, as a person at the page goes it.
func TestDevSwitch(t *testing.T) {
	d := startDevWith(t, app.DevOptions{})
	const note = "默认模型暂不可用"
	same := func(want, got dev.By) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	reply, by := d.ask(t, "请记住：我喜欢青色")
	contains(t, reply, "ChatGPT", "第 1 个问题")
	lacks(t, reply, note)
	same(dev.By{Provider: "openai", Model: "gpt-4o-mini"}, by)

	a := d.act(t, "degrade", map[string]string{"to": "chatglm", "reason": "演练用的原因"})
	contains(t, a.Output, "openai/gpt-4o-mini  chatglm/glm-4.6", "+     active: true", "is in force on 1 of 1 servers")
	contains(t, a.Audit, `"action":"degrade"`, `"reason":"演练用的原因"`, a.Revision)
	contains(t, d.logs.String(), a.Audit)
	s := d.standing(t)
	if a.Took <= 0 || s.Document.Revision != a.Revision || s.Document.Since.IsZero() {
		t.Errorf("after the switch: %+v of %+v", s.Document, a)
	}
	if len(s.Switches) != 1 || s.Switches[0].Reason != "演练用的原因" || s.Switches[0].Share != 1 || s.Routes[0].Now[0] != "chatglm/glm-4.6" {
		t.Errorf("after the switch: %+v %+v", s.Switches, s.Routes)
	}
	reply, by = d.ask(t, "我喜欢什么颜色？")
	first, _, _ := strings.Cut(reply, "\n")
	contains(t, first, note, "glm-4.6")
	contains(t, reply, "智谱 GLM", "第 2 个问题", "我喜欢青色」（ChatGPT 答）")
	same(dev.By{Provider: "chatglm", Model: "glm-4.6", Degraded: true}, by)
	reply, _ = d.ask(t, "再问一次")
	contains(t, reply, "智谱 GLM", "第 3 个问题")
	lacks(t, reply, note)

	d.act(t, "degrade", map[string]string{"to": "ernie"})
	reply, by = d.ask(t, "现在是谁？")
	contains(t, reply, note, "百度文心", "我喜欢青色」（ChatGPT 答）", "再问一次」（ChatGLM 答）")
	same(dev.By{Provider: "ernie", Model: "ernie-4.5-turbo-128k", Degraded: true}, by)

	a = d.act(t, "restore", map[string]string{})
	contains(t, a.Output, "-     active: true", "+     active: false")
	reply, by = d.ask(t, "回来了吗？")
	contains(t, reply, "（ChatGPT）", "第 5 个问题", "现在是谁？」（ERNIE 答）")
	lacks(t, reply, note)
	same(dev.By{Provider: "openai", Model: "gpt-4o-mini"}, by)
	if s := d.standing(t); len(s.Switches) != 0 || s.Answers[0].Question != "回来了吗？" || s.Answers[0].Provider != "openai" || len(s.Answers) != 5 {
		t.Errorf("after the restore: %+v", s)
	}
}

// What fails falls back by itself, without a switch, and returns when it works.
func TestDevFallback(t *testing.T) {
	d := startDevWith(t, app.DevOptions{})
	d.act(t, "break", map[string]any{"provider": "openai", "broken": true})
	if s := d.standing(t); !s.Models[0].Broken || s.Models[1].Broken {
		t.Errorf("models = %+v", s.Models)
	}
	reply, by := d.ask(t, "有人吗？")
	contains(t, reply, "智谱 GLM")
	if diff := cmp.Diff(dev.By{Provider: "chatglm", Model: "glm-4.6", Fallback: true}, by); diff != "" {
		t.Error(diff)
	}
	d.act(t, "break", map[string]any{"provider": "openai", "broken": false})
	if reply, _ = d.ask(t, "好了吗？"); !strings.HasPrefix(reply, "（ChatGPT）") {
		t.Errorf("after the mend: %s", reply)
	}
	if s := d.standing(t); s.Document.Revision != "" || len(s.Switches) != 0 {
		t.Errorf("a fallback made a switch: %+v", s)
	}
}

func TestDevRestoresByRamp(t *testing.T) {
	d := startDevWith(t, app.DevOptions{})
	d.act(t, "degrade", map[string]string{"to": "ernie"})
	a := d.act(t, "restore", map[string]string{"ramp": "1h"})
	contains(t, a.Output, "+     ramp: 1h")
	s := d.standing(t)
	if len(s.Switches) != 1 || s.Switches[0].Share >= 1 || s.Switches[0].Share < 0.9 || s.Switches[0].Until == nil {
		t.Errorf("while it ramps: %+v", s.Switches)
	}
	d.act(t, "restore", map[string]string{})
	if s := d.standing(t); len(s.Switches) != 0 {
		t.Errorf("after the restore: %+v", s.Switches)
	}
}

func TestDevSwitchRefuses(t *testing.T) {
	d := startDevWith(t, app.DevOptions{})
	tests := []struct {
		name, what string
		body       any
		says       string
	}{
		{"a provider that is none", "degrade", map[string]string{"to": "claude"}, "claude"},
		{"what no provider may be called", "degrade", map[string]string{"to": "GLM 4!"}, "refused"},
		{"nothing to break", "break", map[string]any{"provider": "claude", "broken": true}, "no provider"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, said := d.operate(t, tt.what, tt.body)
			if status != http.StatusConflict || !strings.Contains(string(said), tt.says) {
				t.Errorf("= %d %s", status, said)
			}
		})
	}
	if s := d.standing(t); s.Document.Revision != "" {
		t.Errorf("a refused switch was published: %+v", s.Document)
	}
}

// The terminal has the same switch: the page prints the configuration for it.
func TestDevSwitchFromTheTerminal(t *testing.T) {
	d := startDevWith(t, app.DevOptions{})
	var out bytes.Buffer
	env := wire.Env{Stdout: &out, Stderr: &bytes.Buffer{}}
	if err := operate.Degrade(t.Context(), env, d.standing(t).Config, operate.DegradeOptions{To: "ernie", Reason: "from the terminal"}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if s := d.standing(t); len(s.Switches) != 1 || s.Switches[0].Reason != "from the terminal" {
		t.Errorf("the page shows %+v", s.Switches)
	}
	out.Reset()
	if err := operate.Status(t.Context(), env, d.standing(t).Config, false); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	contains(t, out.String(), "from the terminal", "demo")
}

// Variables that configure commands lead nowhere else: what is switched is this process.
func TestDevSwitchStaysInTheProcess(t *testing.T) {
	elsewhere := t.TempDir()
	t.Setenv("PARLEY_LIVE_SOURCE", "file")
	t.Setenv("PARLEY_LIVE_DIR", elsewhere)
	d := startDevWith(t, app.DevOptions{})
	d.act(t, "degrade", map[string]string{"to": "chatglm"})
	entries, err := os.ReadDir(elsewhere)
	if err != nil || len(entries) > 0 {
		t.Errorf("%v %v was written to a folder that is not the page's", entries, err)
	}
}

// With one's own documents the page shows and never writes.
func TestDevShowsOnesOwnDocuments(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("parley-routes.yaml", "providers: {openai: {dialect: simulated}, chatglm: {dialect: simulated}}\nmodels: {chat: [openai/gpt-4o, chatglm/glm-4.6]}\n")
	degradation := write("parley-degradation.yaml", "switches: [{id: all, active: true, to: chatglm, reason: by hand}]\n")
	write("tenant.acme.yaml", "name: acme\nchannels: [{name: web, kind: web, access: open}]\n")
	cfg := write("client.yaml", "live: {source: file, dir: "+dir+"}\nredis: {addrs: [127.0.0.1:1]}\n")
	before, err := os.ReadFile(degradation)
	if err != nil {
		t.Fatal(err)
	}
	d := startDevWith(t, app.DevOptions{Config: cfg})
	res, err := http.Get(d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	html, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(html), `href="/chat/acme/web"`)
	lacks(t, string(html), "demo", "<iframe")
	s := d.standing(t)
	if !s.ReadOnly || s.Config != cfg || len(s.Switches) != 1 || s.Switches[0].Reason != "by hand" {
		t.Errorf("standing = %+v", s)
	}
	want := []dev.Route{{Tenant: "acme", Class: "chat", Normal: []string{"openai/gpt-4o", "chatglm/glm-4.6"}, Now: []string{"chatglm/glm-4.6"}}}
	if diff := cmp.Diff(want, s.Routes); diff != "" {
		t.Error(diff)
	}
	for what, body := range map[string]any{
		"degrade": map[string]string{"to": "openai"}, "restore": map[string]string{}, "break": map[string]any{"provider": "openai", "broken": true},
	} {
		if status, said := d.operate(t, what, body); status < 400 || !strings.Contains(string(said), "read_only") {
			t.Errorf("%s = %d %s", what, status, said)
		}
	}
	after, err := os.ReadFile(degradation)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the document is now %q, %v", after, err)
	}
}

// A key makes its vendor real; the others stay simulated.
func TestDevWithAKey(t *testing.T) {
	glm := llm.New(llm.Options{Vendor: llm.ChatGLM, Keys: []string{"of-the-test.key"}, Answer: func(m []llm.Message) string {
		return fmt.Sprintf("真正的回答，共 %d 条", len(m))
	}})
	api := httptest.NewServer(glm)
	defer api.Close()
	t.Setenv("ZHIPU_API_KEY", "of-the-test.key")
	t.Setenv("ZHIPU_BASE_URL", api.URL+"/api/paas/v4/")
	t.Setenv("ZHIPU_MODEL", "glm-4.5")
	d := startDevWith(t, app.DevOptions{})
	s := d.standing(t)
	if m := s.Models; !m[0].Simulated || m[1].Simulated || !m[2].Simulated || m[1].Model != "glm-4.5" {
		t.Errorf("models = %+v", m)
	}
	if status, said := d.operate(t, "break", map[string]any{"provider": "chatglm", "broken": true}); status != http.StatusConflict {
		t.Errorf("a real provider was broken: %d %s", status, said)
	}
	d.act(t, "degrade", map[string]string{"to": "chatglm"})
	reply, by := d.ask(t, "你好")
	contains(t, reply, "真正的回答")
	if by.Model != "glm-4.5" || len(glm.Ledger()) != 1 {
		t.Errorf("answered by %+v; the API saw %+v", by, glm.Ledger())
	}
	lacks(t, d.logs.String(), "of-the-test.key")
}
