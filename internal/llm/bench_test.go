package llm

import (
	"context"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/route"
	"parley/internal/telemetry"
)

// prompt answer of a hundred pieces: what a turn costs here beside its provider.
type talker struct{ pieces []string }

func (p talker) Complete(_ context.Context, _ Call, emit func(string) error) (Answer, error) {
	for _, s := range p.pieces {
		if err := emit(s); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Text: "好的", FinishReason: "stop", Usage: chat.Usage{Input: 7, Output: 100}}, nil
}

// A turn through the service: the route, the window of a history of ten turns, the key, a hundred deltas, the accounts.
func BenchmarkTurn(b *testing.B) {
	for name, concurrency := range map[string]string{"unlimited": "", "limited": ", concurrency: 1000"} {
		b.Run(name, func(b *testing.B) {
			table, err := route.Parse([]byte(providers(concurrency, "a", "b")), route.Options{Revision: "r", Outbound: []string{"http://fake"},
				Dialects: []string{"openai"}})
			if err != nil {
				b.Fatal(err)
			}
			p := talker{strings.Split(strings.Repeat("字", 100), "")}
			s, err := New(Options{Table: func() *route.Table { return table }, Telemetry: telemetry.Discard(),
				Dialects: map[string]Factory{"openai": func(Endpoint) (Provider, error) { return p, nil }}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			req := request()
			req.System = "你是助手"
			for range 10 {
				req.History = append(req.History, chat.Turn{Question: "天气怎么样", Answer: "今天晴", QuestionTokens: 4, AnswerTokens: 3})
			}
			req.Keys = map[string][]chat.Secret{"a": secrets("one", "two")}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Complete(b.Context(), req, func(chat.Event) error { return nil }); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
