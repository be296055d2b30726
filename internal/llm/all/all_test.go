package all_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
	"parley/internal/route"
	simllm "parley/internal/sim/llm"
	"parley/internal/telemetry"
)

func TestMain(m *testing.M) {
	if first, err := time.ParseDuration(os.Getenv(benchModel)); err == nil {
		serveModel(first)
		return
	}
	goleak.VerifyTestMain(m)
}

// rig is a Service in front of simulators, each a provider of its own.
type rig struct {
	*llm.Service
	table       *route.Table
	degradation *route.Degradation
}

func newRig(t *testing.T, doc string, keys map[string]string) *rig {
	t.Helper()
	table, err := route.Parse([]byte(doc), route.Options{
		Outbound: []string{"http://127.0.0.1"}, Dialects: all.Names(),
		Resolve: func(ref string) (chat.Secret, error) {
			if v, ok := keys[ref]; ok {
				return chat.NewSecret(v), nil
			}
			return chat.Secret{}, errors.New("is not set")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{table: table}
	r.Service, err = llm.New(llm.Options{
		Table: func() *route.Table { return r.table }, Degradation: func() *route.Degradation { return r.degradation },
		Dialects: all.Dialects(), Telemetry: telemetry.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func startSim(t *testing.T, o simllm.Options) (*simllm.Server, string) {
	t.Helper()
	s := simllm.New(o)
	url, stop, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, url
}

// result is what a caller sees of one completion.
type result struct {
	starts []chat.Start
	deltas string
	reply  chat.Reply
}

func (r *rig) ask(ctx context.Context, req chat.Request) (result, error) {
	var res result
	err := r.Complete(ctx, req, func(e chat.Event) error {
		switch e.Kind {
		case chat.Started:
			res.starts = append(res.starts, e.Start)
			res.deltas = ""
		case chat.Delta:
			res.deltas += e.Text
		case chat.Finished:
			res.reply = e.Reply
		}
		return nil
	})
	return res, err
}

func TestOneTurn(t *testing.T) {
	for _, http2 := range []string{"", ", http2: prior-knowledge"} {
		t.Run("http"+http2, func(t *testing.T) {
			sim, url := startSim(t, simllm.Options{Keys: []string{"sk-one"}, Pace: simllm.Pace{Between: time.Millisecond}})
			r := newRig(t, fmt.Sprintf(`
providers:
  openai: {dialect: openai, base_url: %s/v1, key: env:OPENAI_API_KEY%s}
models: {chat: [openai/gpt-4o-mini]}`, url, http2), map[string]string{"env:OPENAI_API_KEY": "sk-one"})
			got, err := r.ask(t.Context(), chat.Request{
				Tenant: "acme", Turn: "t1", Attempt: 1, Model: "chat", System: "sys", Question: "天气怎么样", Deltas: true,
				History: []chat.Turn{{Question: "你好", Answer: "好"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			text := simllm.Answer(1, "天气怎么样")
			start := chat.Start{Provider: "openai", Model: "gpt-4o-mini", Revision: r.table.Revision()}
			want := result{starts: []chat.Start{start}, deltas: text, reply: chat.Reply{
				Start: start, Text: text, FinishReason: "stop",
				Usage:          chat.Usage{Input: 11, Output: len([]rune(text))},
				QuestionTokens: got.reply.QuestionTokens, AnswerTokens: got.reply.AnswerTokens,
			}}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Error(diff)
			}
			if got.reply.QuestionTokens <= 0 || got.reply.AnswerTokens <= 0 {
				t.Errorf("the turn was not counted: %d, %d", got.reply.QuestionTokens, got.reply.AnswerTokens)
			}
			entries := sim.Ledger()
			if len(entries) != 1 || entries[0].Last != "天气怎么样" || entries[0].Earlier != 1 || entries[0].System != "sys" {
				t.Errorf("the provider saw %+v", entries)
			}
		})
	}
}
