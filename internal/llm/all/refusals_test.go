package all_test

import (
	"testing"

	"parley/internal/chat"
	"parley/internal/llm"
	simllm "parley/internal/sim/llm"
)

// What each vendor refuses, by its own rules or by a rule of the test, is what the dialect takes it for.
func TestRefusedByTheVendor(t *testing.T) {
	for _, test := range []struct {
		house string
		rule  simllm.Fault
		opt   simllm.Options
		call  llm.Call
		kind  chat.Kind
		code  string
		after bool // says how long to wait
	}{
		{house: "OpenAI", opt: simllm.Options{Keys: []string{"sk-9"}}, kind: chat.Unauthenticated, code: "invalid_api_key"},
		{house: "OpenAI", opt: simllm.Options{Models: []string{"gpt-4o"}}, kind: chat.NotFound, code: "model_not_found"},
		{house: "OpenAI", opt: simllm.Options{Window: 3}, kind: chat.TooLarge, code: "context_length_exceeded"},
		{house: "OpenAI", opt: simllm.Options{Limits: simllm.LimitTable{Default: simllm.Limits{Requests: 1}}}, kind: chat.RateLimited, code: "rate_limit_exceeded", after: true},
		{house: "OpenAI", opt: simllm.Options{Limits: simllm.LimitTable{Default: simllm.Limits{Tokens: 8}}}, kind: chat.RateLimited, code: "rate_limit_exceeded", after: true},
		{house: "OpenAI", rule: simllm.Fault{Kind: simllm.FaultStatus, Code: "insufficient_quota"}, kind: chat.Billing, code: "insufficient_quota"},
		{house: "OpenAI", rule: simllm.Fault{Kind: simllm.FaultInline, Code: "server_is_overloaded"}, kind: chat.Overloaded, code: "server_is_overloaded"},
		{house: "Azure deployment", opt: simllm.Options{Keys: []string{"other"}}, kind: chat.Unauthenticated, code: "401"},
		{house: "Azure v1", opt: simllm.Options{Models: []string{"gpt-4o"}}, kind: chat.NotFound, code: "DeploymentNotFound"},
		{house: "Azure v1", opt: simllm.Options{Limits: simllm.LimitTable{Default: simllm.Limits{Requests: 1}}}, kind: chat.RateLimited, code: "429", after: true},
		{house: "Azure v1", rule: simllm.Fault{Kind: simllm.FaultStatus, Code: "content_filter"}, kind: chat.Rejected, code: "content_filter"},
		{house: "ChatGLM", opt: simllm.Options{Keys: []string{"id7.another"}}, kind: chat.Unauthenticated, code: "1000"},
		{house: "ChatGLM, JWT", opt: simllm.Options{Keys: []string{"id7.another"}}, kind: chat.Unauthenticated, code: "1004"},
		{house: "ChatGLM", opt: simllm.Options{Models: []string{"glm-4.5"}}, kind: chat.NotFound, code: "1211"},
		{house: "ChatGLM", opt: simllm.Options{Window: 3}, kind: chat.TooLarge, code: "1261"},
		{house: "ChatGLM", opt: simllm.Options{Limits: simllm.LimitTable{Default: simllm.Limits{Requests: 1}}}, kind: chat.RateLimited, code: "1303"},
		{house: "ChatGLM", call: llm.Call{ID: "turn.before"}, kind: chat.Invalid, code: "1231"},
		{house: "ChatGLM", rule: simllm.Fault{Kind: simllm.FaultStatus, Code: "1113"}, kind: chat.Billing, code: "1113"},
		{house: "ChatGLM", rule: simllm.Fault{Kind: simllm.FaultStatus, Code: "1305"}, kind: chat.Overloaded, code: "1305"},
		{house: "ChatGLM", rule: simllm.Fault{Kind: simllm.FaultStatus, Code: "1301"}, kind: chat.Rejected, code: "1301"},
		{house: "ChatGLM", rule: simllm.Fault{Kind: simllm.FaultBody, Code: "1302"}, kind: chat.RateLimited, code: "1302"},
		{house: "ChatGLM", rule: simllm.Fault{Kind: simllm.FaultFinish, Code: "sensitive"}, kind: chat.Rejected, code: "sensitive"},
		{house: "ChatGLM", rule: simllm.Fault{Kind: simllm.FaultFinish, Code: "network_error"}, kind: chat.Unavailable, code: "network_error"},
		{house: "ERNIE", opt: simllm.Options{Keys: []string{"bce-v3/ALTAK-a/c"}}, kind: chat.Unauthenticated, code: "invalid_iam_token"},
		{house: "ERNIE", opt: simllm.Options{Models: []string{"ernie-5.1"}}, kind: chat.NotFound, code: "invalid_model"},
		{house: "ERNIE", opt: simllm.Options{Window: 3}, kind: chat.TooLarge, code: "tokens_too_long"},
		{house: "ERNIE", opt: simllm.Options{Limits: simllm.LimitTable{Default: simllm.Limits{Requests: 1}}}, kind: chat.RateLimited, code: "rpm_rate_limit_exceeded"},
		{house: "ERNIE", opt: simllm.Options{Limits: simllm.LimitTable{Default: simllm.Limits{Tokens: 8}}}, kind: chat.RateLimited, code: "tpm_rate_limit_exceeded"},
		{house: "ERNIE", rule: simllm.Fault{Kind: simllm.FaultStatus, Code: "account_overdue"}, kind: chat.Billing, code: "account_overdue"},
		{house: "ERNIE", rule: simllm.Fault{Kind: simllm.FaultInline, Code: "cluster_rate_limit_exceeded", After: 1}, kind: chat.Overloaded, code: "cluster_rate_limit_exceeded"},
		{house: "ERNIE", rule: simllm.Fault{Kind: simllm.FaultFinish, Code: "content_filter"}, kind: chat.Rejected, code: "content_filter"},
	} {
		t.Run(test.house+" "+test.code, func(t *testing.T) {
			h := houses[test.house]
			test.opt.Vendor = h.vendor
			if test.rule.Kind != "" {
				test.opt.Rules = []simllm.Rule{{Contains: "此问", Fault: test.rule}}
			}
			sim, origin := startSim(t, test.opt)
			p := h.dial(t, origin)
			ask := func(id, q string) error {
				_, err := p.Complete(t.Context(), llm.Call{ID: id, Model: h.model, Question: q, Key: chat.NewSecret(h.key)}, ignore)
				return err
			}
			_ = ask("turn.before", "先问") // uses up limits and ids
			id := "turn.now"
			if test.call.ID != "" {
				id = test.call.ID
			}
			err := ask(id, "此问如何")
			e, _ := err.(*chat.Error) //nolint:errorlint // the very error is promised
			if e == nil || e.Kind != test.kind || e.Code != test.code || (e.RetryAfter > 0) != test.after {
				t.Fatalf("got %v, want %v %s", err, test.kind, test.code)
			}
			if l := sim.Ledger(); l[len(l)-1].Code != test.code && test.rule.Kind != simllm.FaultFinish {
				t.Errorf("the vendor's ledger says %q", l[len(l)-1].Code)
			}
		})
	}
}

// A dialect at another vendor's address is refused as the real one would refuse it, so that a simulator that lets a call pass proves that
// the call is right.
func TestStrangers(t *testing.T) {
	own := map[string]simllm.Vendor{"openai": simllm.OpenAI, "chatglm": simllm.ChatGLM, "ernie": simllm.ERNIE}
	for _, test := range []struct {
		dialect string
		at      simllm.Vendor
		model   string // that this vendor has
		key     string // that this vendor takes
		code    string
	}{
		{"openai", simllm.ChatGLM, "glm-4.6", "id7.s3cret", "1210"}, // stream_options, user
		{"ernie", simllm.ChatGLM, "glm-4.6", "id7.s3cret", "1210"},
		{"chatglm", simllm.OpenAI, "glm-4.6", "sk-1", "unknown_parameter"}, // thinking, request_id, user_id
		{"chatglm", simllm.Azure, "glm-4.6", "0a1b", "unknown_parameter"},
		{"chatglm", simllm.ERNIE, "ernie-5.1", "bce-v3/ALTAK-a/b", "invalid_argument"},
		{"openai", simllm.ERNIE, "ERNIE-5.1", "bce-v3/ALTAK-a/b", "invalid_model"}, // sends the name as it is written
		{"openai", simllm.ERNIE, "gpt-4o", "bce-v3/ALTAK-a/b", "invalid_model"},
		{"openai", simllm.ERNIE, "ernie-5.1", "sk-1", "invalid_iam_token"},
		{"openai", simllm.ChatGLM, "glm-4.6", "sk-1", "1000"},
		{"ernie", simllm.OpenAI, "gpt-5-mini", "sk-1", "unsupported_parameter"}, // max_tokens
	} {
		t.Run(test.dialect+" at "+string(test.at)+" "+test.code, func(t *testing.T) {
			sim, origin := startSim(t, simllm.Options{Vendor: test.at})
			h := house{vendor: test.at, dialect: test.dialect}
			_, err := h.dial(t, origin).Complete(t.Context(), llm.Call{ID: "turn.1.1", Model: test.model, Question: "q", User: "0123456789",
				MaxOutput: 100, Key: chat.NewSecret(test.key)}, ignore)
			l := sim.Ledger()
			if err == nil || len(l) != 1 || l[0].Outcome != simllm.Refused || l[0].Code != test.code {
				t.Errorf("got %v; the vendor says %+v", err, l)
			}
			if own[test.dialect] == test.at {
				t.Error("no stranger")
			}
		})
	}
	t.Run("at another path", func(t *testing.T) {
		for _, at := range []simllm.Vendor{simllm.ChatGLM, simllm.ERNIE, simllm.Azure} {
			_, origin := startSim(t, simllm.Options{Vendor: at})
			h := house{vendor: at, dialect: "openai", path: "/v1"}
			_, err := h.dial(t, origin).Complete(t.Context(), llm.Call{Model: "m", Question: "q", Key: chat.NewSecret("bce-v3/ALTAK-a.b/c")}, ignore)
			if chat.KindOf(err) != chat.NotFound {
				t.Errorf("%s: got %v", at, err)
			}
		}
	})
}
