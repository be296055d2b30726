package all_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
	"parley/internal/llm/chatglm"
	"parley/internal/llm/llmtest"
	"parley/internal/llm/openai"
	"parley/internal/route"
	simllm "parley/internal/sim/llm"
)

// house is a vendor as an operator configures it.
type house struct {
	vendor      simllm.Vendor
	dialect     string
	model       string
	key         string
	path        string // of base_url; empty: the vendor's
	auth, appID string
	h2c         bool
}

var houses = map[string]house{
	"OpenAI":           {vendor: simllm.OpenAI, dialect: "openai", model: "gpt-4o-mini", key: "sk-0123"},
	"OpenAI, h2c":      {vendor: simllm.OpenAI, dialect: "openai", model: "gpt-4o-mini", key: "sk-0123", h2c: true},
	"OpenAI reasoning": {vendor: simllm.OpenAI, dialect: "openai", model: "gpt-5-mini", key: "sk-0123"},
	"Azure v1":         {vendor: simllm.Azure, dialect: "openai", model: "gpt-4o-mini", key: "0a1b2c3d"},
	"Azure v1, key":    {vendor: simllm.Azure, dialect: "openai", model: "gpt-4o-mini", key: "0a1b2c3d", auth: route.AuthAPIKey},
	"Azure deployment": {vendor: simllm.Azure, dialect: "openai", model: "gpt-4o-mini", key: "0a1b2c3d", auth: route.AuthAPIKey,
		path: "/openai/deployments/mini?api-version=2024-10-21"},
	"ChatGLM":           {vendor: simllm.ChatGLM, dialect: "chatglm", model: "glm-4.6", key: "id7.s3cret"},
	"ChatGLM, h2c":      {vendor: simllm.ChatGLM, dialect: "chatglm", model: "glm-4.6", key: "id7.s3cret", h2c: true},
	"ChatGLM, JWT":      {vendor: simllm.ChatGLM, dialect: "chatglm", model: "glm-5.3", key: "id7.s3cret", auth: route.AuthJWT},
	"ChatGLM, old":      {vendor: simllm.ChatGLM, dialect: "chatglm", model: "glm-4-flash-250414", key: "id7.s3cret"},
	"ERNIE":             {vendor: simllm.ERNIE, dialect: "ernie", model: "ernie-4.5-turbo-128k", key: "bce-v3/ALTAK-a/b"},
	"ERNIE, upper case": {vendor: simllm.ERNIE, dialect: "ernie", model: "ERNIE-4.5-Turbo-128K", key: "bce-v3/ALTAK-a/b"},
	"ERNIE, appid":      {vendor: simllm.ERNIE, dialect: "ernie", model: "ernie-5.1", key: "bce-v3/ALTAK-a/b", appID: "app-x1"},
}

// dial makes the house's client to a simulator.
func (h house) dial(t *testing.T, origin string) llm.Provider {
	t.Helper()
	path := h.path
	if path == "" {
		path = h.vendor.Path()
	}
	p, err := all.Dialects()[h.dialect](llm.Endpoint{Name: "p", Dialect: h.dialect, BaseURL: origin + path, Auth: h.auth, AppID: h.appID,
		PriorKnowledge: h.h2c, Connect: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.(interface{ Close() }).Close)
	return p
}

// keyed makes every call with the house's model and key.
type keyed struct {
	llm.Provider
	h house
	n *ids
}

type ids struct {
	sync.Mutex
	n int
}

func (k keyed) Complete(ctx context.Context, c llm.Call, emit func(string) error) (llm.Answer, error) {
	k.n.Lock()
	k.n.n++
	c.ID = fmt.Sprintf("turn.%d", k.n.n) // unique, as the contract of Call has it
	k.n.Unlock()
	c.Model, c.Key = k.h.model, chat.NewSecret(k.h.key)
	return k.Provider.Complete(ctx, c, emit)
}

func TestConformance(t *testing.T) {
	for name, h := range houses {
		t.Run(name, func(t *testing.T) {
			sim, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{"other.one", h.key}, Pace: simllm.Pace{Between: time.Millisecond}})
			llmtest.Run(t, keyed{h.dial(t, origin), h, &ids{}})
			for _, e := range sim.Ledger() {
				if e.Key != chat.NewSecret(h.key).Fingerprint() || e.AppID != h.appID || e.Outcome == simllm.Refused {
					t.Fatalf("the vendor saw %+v", e)
				}
			}
		})
	}
}

// One question in a conversation, to the last token: what the vendor saw, what came back, what it cost.
func TestExchange(t *testing.T) {
	for name, h := range houses {
		t.Run(name, func(t *testing.T) {
			sim, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{h.key}})
			call := llm.Call{ID: "turn.1.1", Model: h.model, System: "你是助手", Question: "第二问", User: "0123456789abcdef0123", MaxOutput: 1 << 20,
				History: []chat.Turn{{Question: "第一问", Answer: "第一答"}}, Key: chat.NewSecret(h.key)}
			a, err := h.dial(t, origin).Complete(t.Context(), call, ignore)
			if err != nil {
				t.Fatal(err)
			}
			text := h.vendor.Answer(1, "第二问")
			want := llm.Answer{Text: text, FinishReason: "stop", Usage: chat.Usage{Input: 13, Output: len([]rune(text))}}
			if h.vendor == simllm.ChatGLM {
				want.Usage.Cached = 10
			}
			if diff := cmp.Diff(want, a); diff != "" {
				t.Error(diff)
			}
			model := h.model
			if h.vendor == simllm.ERNIE {
				model = strings.ToLower(model)
			}
			entry := simllm.Entry{ID: 1, Key: call.Key.Fingerprint(), AppID: h.appID, Model: model, User: call.User, Stream: true, Messages: 4, Earlier: 1,
				System: "你是助手", Last: "第二问", Outcome: simllm.Finished, InputTokens: 13, OutputTokens: want.Usage.Output,
				Usage: &simllm.Usage{Input: 13, Cached: want.Usage.Cached, Output: want.Usage.Output}}
			if diff := cmp.Diff([]simllm.Entry{entry}, sim.Ledger(), cmpopts.IgnoreTypes(time.Time{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Answers are cut where the call says, in the field that the vendor reads.
func TestMaxOutput(t *testing.T) {
	for name, h := range houses {
		t.Run(name, func(t *testing.T) {
			_, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{h.key}})
			a, err := h.dial(t, origin).Complete(t.Context(), llm.Call{ID: "t.1.1", Model: h.model, Question: "问", MaxOutput: 7, Key: chat.NewSecret(h.key)}, ignore)
			want := string([]rune(h.vendor.Answer(0, "问"))[:7])
			if err != nil || a.Text != want || a.FinishReason != "length" || a.Usage.Output != 7 {
				t.Errorf("got %+v, %v, want %q", a, err, want)
			}
		})
	}
}

// Without thinking disabled, people would wait and pay for thoughts that nobody reads: the vendor thinks unless told otherwise.
func TestNobodyPaysForThoughts(t *testing.T) {
	for _, test := range []struct {
		dialect llm.Factory
		thinks  bool
	}{{all.Dialects()["chatglm"], false}, {openai.Factory(thinking()), true}} {
		sim, origin := startSim(t, simllm.Options{Vendor: simllm.ChatGLM})
		p, err := test.dialect(llm.Endpoint{BaseURL: origin + simllm.ChatGLM.Path(), Connect: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		signs := 0
		a, err := p.Complete(t.Context(), llm.Call{ID: "t.1.1", Model: "glm-4.7", Question: "问", Key: chat.NewSecret("id.secret")}, func(s string) error {
			if s == "" {
				signs++
			}
			return nil
		})
		p.(interface{ Close() }).Close()
		if err != nil || a.Text != simllm.ChatGLM.Answer(0, "问") {
			t.Fatalf("got %+v, %v", a, err)
		}
		if thought := a.Usage.Reasoning > 0; thought != test.thinks || signs > 0 != test.thinks || sim.Ledger()[0].Usage.Reasoning != a.Usage.Reasoning {
			t.Errorf("thinks=%v: %d signs of life, %+v", test.thinks, signs, a.Usage)
		}
	}
}

// thinking is chatglm's dialect without the field that switches thoughts off.
func thinking() llm.Dialect {
	d := chatglm.Dialect()
	d.Extra = nil
	return d
}

// The limit by calls at once: Zhipu's way.
func TestConcurrency(t *testing.T) {
	h := houses["ChatGLM, JWT"]
	sim, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{h.key}, Pace: simllm.Pace{First: 2 * time.Second},
		Limits: simllm.LimitTable{Default: simllm.Limits{Concurrency: 3}}})
	p := h.dial(t, origin)
	var mu sync.Mutex
	var wg sync.WaitGroup
	outcomes := map[string]int{}
	for i := range 40 {
		wg.Go(func() {
			_, err := p.Complete(t.Context(), llm.Call{ID: fmt.Sprintf("turn.%d", i), Model: h.model, Question: "问", Key: chat.NewSecret(h.key)}, ignore)
			mu.Lock()
			defer mu.Unlock()
			if e, ok := err.(*chat.Error); ok { //nolint:errorlint // the very error is promised
				outcomes[e.Code]++
				return
			}
			outcomes["answered"]++
		})
	}
	wg.Wait()
	k := sim.Keys()[chat.NewSecret(h.key).Fingerprint()]
	want := simllm.KeyStats{Most: 3, Calls: outcomes["answered"], Limited: outcomes["1302"]}
	if k != want || k.Calls+k.Limited != 40 || k.Limited == 0 {
		t.Errorf("%+v, outcomes %v", k, outcomes)
	}
}
