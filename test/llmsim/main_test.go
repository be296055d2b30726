package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
	simllm "parley/internal/sim/llm"
	"parley/test/ledger"
	"parley/test/realdeps"
)

func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "llmsim")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// start runs the program until the test ends.
func start(t *testing.T, bin string, args ...string) (origin string) {
	t.Helper()
	addr, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, bin, append([]string{"-listen", addr}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	for range 3000 {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return "http://" + addr
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not listen")
	return ""
}

// The ledger's checks of the context work through every vendor, whatever it puts around its answers.
func TestVendors(t *testing.T) {
	bin := build(t)
	for _, v := range []struct {
		vendor              simllm.Vendor
		dialect, model, key string
	}{
		{simllm.OpenAI, "openai", "gpt-4o-mini", "sk-1"},
		{simllm.ChatGLM, "chatglm", "glm-4.6", "id.secret"},
		{simllm.ERNIE, "ernie", "ernie-4.5-turbo-128k", "bce-v3/ALTAK-1/2"},
	} {
		t.Run(string(v.vendor), func(t *testing.T) {
			origin := start(t, bin, "-vendor", string(v.vendor), "-keys", "other,"+v.key, "-concurrency", "1", "-window", "500")
			p, err := all.Dialects()[v.dialect](llm.Endpoint{Name: "p", Dialect: v.dialect, BaseURL: origin + v.vendor.Path(), Connect: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			var history []chat.Turn
			var context []ledger.Line
			for n := 1; n <= 3; n++ {
				id := ledger.ID{Person: "zhang", N: n}
				q := ledger.Question(id)
				context = append(context, ledger.Line{Role: "user", Text: q})
				a, err := p.Complete(t.Context(), llm.Call{ID: fmt.Sprintf("turn.%d", n), Model: v.model, System: "你是助手", History: history,
					Question: q, Key: chat.NewSecret(v.key)}, func(string) error { return nil })
				if err != nil {
					t.Fatal(err)
				}
				if got, ok := ledger.Answered(a.Text); !ok || got != id || !strings.Contains(a.Text, ledger.Answer(context)) {
					t.Errorf("%s was answered %q, want %q in it", id, a.Text, ledger.Answer(context))
				}
				context = append(context, ledger.Line{Role: "assistant", Text: a.Text})
				history = append(history, chat.Turn{Question: q, Answer: a.Text})
			}
			_, err = p.Complete(t.Context(), llm.Call{ID: "turn.4", Model: v.model, Question: strings.Repeat("长", 501), Key: chat.NewSecret(v.key)},
				func(string) error { return nil })
			if chat.KindOf(err) != chat.TooLarge {
				t.Errorf("over the window: %v", err)
			}
			resp, err := http.Get(origin + "/_sim/keys")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var keys map[string]simllm.KeyStats
			if err := json.NewDecoder(resp.Body).Decode(&keys); err != nil {
				t.Fatal(err)
			}
			if got := keys[chat.NewSecret(v.key).Fingerprint()]; got != (simllm.KeyStats{Most: 1, Calls: 3}) {
				t.Errorf("keys: %+v", keys)
			}
		})
	}
}

func TestWrongUse(t *testing.T) {
	bin := build(t)
	for _, args := range [][]string{{"-vendor", "bing"}, {"-vendor", ""}, {"stray"}} {
		out, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 2 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
