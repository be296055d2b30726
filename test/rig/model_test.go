package rig

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/sim/llm"
)

// A simulated vendor in a process of its own: its limits hold, are told, and change while it runs.
func TestRunModel(t *testing.T) {
	r := &Rig{Dir: t.TempDir(), log: io.Discard}
	r.llmsim = filepath.Join(r.Dir, "llmsim")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.llmsim, "../llmsim").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(r.Close)
	m, err := r.RunModel(t.Context(), ModelOptions{Name: "glm", Vendor: llm.ChatGLM, Keys: []string{"id.secret"}, Limits: llm.Limits{Requests: 1}, Window: 100})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(text string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.BaseURL()+"/chat/completions",
			strings.NewReader(`{"model":"glm-4.6","messages":[{"role":"user","content":"`+text+`"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer id.secret")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	if got := ask("你好"); !strings.Contains(got, llm.ChatGLM.Sign("")) {
		t.Errorf("got %s", got)
	}
	if got := ask("你好"); !strings.Contains(got, `"1303"`) {
		t.Errorf("over the limit: %s", got)
	}
	if err := m.SetLimits(t.Context(), llm.LimitTable{}); err != nil {
		t.Fatal(err)
	}
	if got := ask(strings.Repeat("长", 101)); !strings.Contains(got, `"1261"`) {
		t.Errorf("over the window: %s", got)
	}
	if got := ask("你好"); strings.Contains(got, "error") {
		t.Errorf("without limits: %s", got)
	}
	keys, err := m.Keys(t.Context())
	if want := (llm.KeyStats{Most: 1, Calls: 2, Limited: 1}); err != nil || keys[chat.NewSecret("id.secret").Fingerprint()] != want {
		t.Errorf("%+v, %v", keys, err)
	}
	if s, err := m.Stats(t.Context()); err != nil || s.Ended != 4 || s.Most != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
