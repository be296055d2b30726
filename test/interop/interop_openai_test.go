package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/llm"
	"parley/test/ledger"
	"parley/test/rig"
)

// asRefused is an error as OpenAI's clients show it.
type asRefused struct {
	Class       string
	Status      int
	Code, Param *string
}

// seen is what a script of openai/ saw.
type seen struct {
	Version      string
	Models       []string
	Model        string
	Text         string
	Finish       string
	Usage        int
	RequestID    bool   `json:"request_id"`
	AnsweredBy   string `json:"answered_by"`
	Ignored      string
	Pieces       int
	Streamed     string
	StreamFinish string `json:"stream_finish"`
	StreamUsage  int    `json:"stream_usage"`
	Helper       string
	Picture      string
	WrongKey     asRefused `json:"wrong_key"`
	NoModel      asRefused `json:"no_model"`
	BadValue     asRefused `json:"bad_value"`
	Tools        asRefused
	Quota        asRefused
	Overloaded   asRefused
	Broken       struct{ Class, Type string }
}

// TestOpenAIClients: OpenAI's own clients work unchanged, their classes of errors included.
func TestOpenAIClients(t *testing.T) {
	rig.Need(t)
	python, node := Installed(t, "openai_python"), Installed(t, "openai_node")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	base := openAIStage(ctx, t)
	line := ledger.Line{Role: "user", Text: ledger.Question(ledger.ID{Person: "zhang", N: 1})}
	second := ledger.Line{Role: "user", Text: ledger.Question(ledger.ID{Person: "zhang", N: 2})}
	answer := ledger.Answer([]ledger.Line{line})
	env := append(os.Environ(), "BASE_URL="+base, "API_KEY=sk-acme", "POOR_KEY=sk-poor", "QUESTION="+line.Text, "SECOND="+second.Text,
		"FAILS=fails", "BREAKS=breaks", "MODULES="+node)
	for name, command := range map[string][]string{
		"Python": {filepath.Join(python, "bin", "python"), "openai/check.py"},
		"Node":   {"node", "openai/check.mjs"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(ctx, command[0], command[1:]...)
			cmd.Env = env
			out, err := cmd.Output()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Fatalf("%v\n%s", err, exit.Stderr)
			}
			var got seen
			if err := errors.Join(err, json.Unmarshal(out, &got)); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("openai %s for %s", got.Version, name)
			judge(t, got, answer, ledger.Answer([]ledger.Line{line, {Role: "assistant", Text: got.Text}, second}))
		})
	}
}

func judge(t *testing.T, got seen, answer, next string) {
	for what, text := range map[string]string{"whole": got.Text, "assembled": got.Helper, "of a picture": got.Picture} {
		if !strings.HasPrefix(text, answer) {
			t.Errorf("%s: %q, want %q", what, text, answer)
		}
	}
	if !strings.HasPrefix(got.Streamed, next) || got.Pieces < 4 || got.StreamUsage == 0 || got.Usage == 0 {
		t.Errorf("streamed %q in %d pieces, want %q; usage %d and %d", got.Streamed, got.Pieces, next, got.Usage, got.StreamUsage)
	}
	want := seen{
		Version: got.Version, Models: []string{"chat"}, Model: "chat", Text: got.Text, Finish: "stop", Usage: got.Usage, RequestID: true,
		AnsweredBy: "openai/gpt-4o-mini", Ignored: "user", Pieces: got.Pieces, Streamed: got.Streamed, StreamFinish: "stop",
		StreamUsage: got.StreamUsage, Helper: got.Helper, Picture: got.Picture,
		WrongKey:   asRefused{"AuthenticationError", 401, new("invalid_api_key"), nil},
		NoModel:    asRefused{"NotFoundError", 404, new("model_not_found"), new("model")},
		BadValue:   asRefused{"BadRequestError", 400, nil, new("temperature")},
		Tools:      asRefused{"BadRequestError", 400, new("unsupported_parameter"), new("tools")},
		Quota:      asRefused{"RateLimitError", 429, new("insufficient_quota"), nil},
		Overloaded: asRefused{"InternalServerError", 503, new("service_unavailable"), nil},
	}
	want.Broken.Class, want.Broken.Type = "APIError", "server_error"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// openAIStage is a whole Parley with two tenants, one of which has spent its day; it gives the base address of /v1/.
func openAIStage(ctx context.Context, t *testing.T) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	must(err)
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	model, err := r.StartModel(ctx, llm.Pace{Between: 25 * time.Millisecond, Chunks: 8})
	must(err)
	must(model.SetRules(ctx,
		llm.Rule{Contains: "fails", Fault: llm.Fault{Kind: llm.FaultStatus, Code: "server_is_overloaded"}},
		llm.Rule{Contains: "breaks", Fault: llm.Fault{Kind: llm.FaultCut, After: 3}}))
	for tenant, limit := range map[string]string{"acme": "tokens_per_day: 0", "poor": "tokens_per_day: 1"} {
		must(r.Publish(ctx, "tenant."+tenant, fmt.Sprintf("name: %s\nlimits: {per_user_per_minute: 0, %s}\nchannels:\n"+
			"  - {name: api, kind: openai, keys: env:%s_API_KEY}\n", tenant, limit, strings.ToUpper(tenant))))
	}
	_, err = r.StartServer(ctx, "server", model.Origin, "")
	must(err)
	client, err := r.StartNode(ctx, "client", "client", []string{"ACME_API_KEY=sk-acme", "POOR_API_KEY=sk-poor"}, func(addr, ops string) string {
		return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [acme, poor]\n", addr, ops, r.Redis.Addr) + r.Live()
	})
	must(err)
	base := "http://" + client.Addr + "/v1"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/chat/completions",
		strings.NewReader(`{"model":"chat","messages":[{"role":"user","content":"q"}]}`))
	must(err)
	req.Header.Set("Authorization", "Bearer sk-poor")
	resp, err := http.DefaultClient.Do(req) // spends the day's token
	must(err)
	must(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	return base
}
