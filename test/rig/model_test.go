package rig

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

func TestModelsLedgerAndRules(t *testing.T) {
	origin, stop, err := llm.New(llm.Options{}).Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ctx, m := t.Context(), &Model{Origin: origin}
	ask := func() int {
		t.Helper()
		resp, err := http.Post(origin+"/v1/chat/completions", "application/json",
			strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if err := m.SetRules(ctx, llm.Rule{Fault: llm.Fault{Kind: llm.FaultStatus, Status: 503}}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got := ask(); got != 503 {
		t.Errorf("by the rule: status %d", got)
	}
	if err := m.SetRules(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 200 {
		t.Errorf("without rules: status %d", got)
	}
	list, err := m.Ledger(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("ledger %v, %v", list, err)
	}
	if list[0].Outcome != llm.Faulted || list[1].Outcome != llm.Finished || list[1].Last != "hello" || list[0].At.Before(began) || list[1].At.Before(list[0].At) {
		t.Errorf("ledger %+v", list)
	}
	if err := m.Forget(ctx); err != nil {
		t.Fatal(err)
	}
	if list, err := m.Ledger(ctx); err != nil || len(list) > 0 {
		t.Errorf("forgotten: %v, %v", list, err)
	}
}
