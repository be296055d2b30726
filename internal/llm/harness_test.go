package llm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"parley/internal/chat"
	"parley/internal/route"
	"parley/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is what a provider does with a call.
type script func(ctx context.Context, c Call, emit func(string) error) (Answer, error)

// says answers in one piece per text, with usage 7 and 3.
func says(texts ...string) script {
	return func(_ context.Context, _ Call, emit func(string) error) (Answer, error) {
		for _, s := range texts {
			if err := emit(s); err != nil {
				return Answer{}, err
			}
		}
		return Answer{Text: strings.Join(texts, ""), FinishReason: "stop", Usage: chat.Usage{Input: 7, Output: 3}}, nil
	}
}

// fails emits texts and then fails.
func fails(err error, texts ...string) script {
	return func(_ context.Context, _ Call, emit func(string) error) (Answer, error) {
		for _, s := range texts {
			if err := emit(s); err != nil {
				return Answer{}, err
			}
		}
		return Answer{}, err
	}
}

// hangs emits texts and then waits for the end of its context.
func hangs(texts ...string) script {
	return func(ctx context.Context, _ Call, emit func(string) error) (Answer, error) {
		for _, s := range texts {
			if err := emit(s); err != nil {
				return Answer{}, err
			}
		}
		<-ctx.Done()
		return Answer{}, chat.E(chat.Unavailable, "fake", ctx.Err())
	}
}

func kind(k chat.Kind) *chat.Error { return chat.E(k, "fake", errors.New("scripted")) }

// bench is a Service whose providers follow scripts, by the provider's name; the last of a list repeats.
type bench struct {
	*Service
	tel         *telemetry.Telemetry
	table       *route.Table
	degradation *route.Degradation
	mu          sync.Mutex
	scripts     map[string][]script
	calls       []Call // in order, with the provider in front of the model: p/m
	closed      []string
}

type fake struct {
	b    *bench
	name string
}

func (f fake) Complete(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
	f.b.mu.Lock()
	list := f.b.scripts[f.name]
	if len(list) > 1 {
		f.b.scripts[f.name] = list[1:]
	}
	seen := c
	seen.Model = f.name + "/" + c.Model
	f.b.calls = append(f.b.calls, seen)
	f.b.mu.Unlock()
	return list[0](ctx, c, emit)
}

func (f fake) Close() {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.b.closed = append(f.b.closed, f.name)
}

func parse(t *testing.T, doc string) *route.Table {
	t.Helper()
	table, err := route.Parse([]byte(doc), route.Options{
		Revision: "r1", Outbound: []string{"http://fake"}, Dialects: []string{"openai"},
		Resolve: func(ref string) (chat.Secret, error) { return chat.NewSecret(ref), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// providers writes a document: providers a, b, … in this order on the route chat, each with the extra fields.
func providers(extra string, names ...string) string {
	doc, list := "providers:\n", []string{}
	for _, n := range names {
		doc += fmt.Sprintf("  %s: {dialect: openai, base_url: 'http://fake/%s'%s}\n", n, n, extra)
		list = append(list, n+"/gpt-4o")
	}
	return doc + "models: {chat: [" + strings.Join(list, ", ") + "]}\n"
}

func newBench(t *testing.T, doc string, scripts map[string][]script, options ...func(*Options)) *bench {
	t.Helper()
	b := &bench{tel: telemetry.Discard(), table: parse(t, doc), scripts: scripts}
	o := Options{
		Table:       func() *route.Table { return b.table },
		Degradation: func() *route.Degradation { return b.degradation },
		Dialects:    map[string]Factory{"openai": func(e Endpoint) (Provider, error) { return fake{b, e.Name}, nil }},
		Telemetry:   b.tel,
	}
	for _, f := range options {
		f(&o)
	}
	b.tel = o.Telemetry
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Service = s
	t.Cleanup(s.Close)
	return b
}

// called counts the calls by provider.
func (b *bench) called() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := map[string]int{}
	for _, c := range b.calls {
		name, _, _ := strings.Cut(c.Model, "/")
		n[name]++
	}
	return n
}

// play replaces a provider's script from now on.
func (b *bench) play(name string, s ...script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scripts[name] = s
}

// result is what a caller sees of one completion.
type result struct {
	Starts []string // provider/model, with marks
	Deltas string   // since the last start
	Reply  chat.Reply
	Spent  []chat.Spend
	Kind   string // of the error
	Calls  []string
}

func request() chat.Request {
	return chat.Request{Tenant: "acme", Conversation: "c", Turn: "t", Attempt: 1, Model: "chat", Question: "q", Deltas: true}
}

func (b *bench) ask(ctx context.Context, req chat.Request) (r result, err error) {
	err = b.Complete(ctx, req, func(e chat.Event) error {
		switch e.Kind {
		case chat.Started:
			s := e.Start.Provider + "/" + e.Start.Model
			if e.Start.Degraded {
				s += " degraded"
			}
			if e.Start.Fallback {
				s += " fallback"
			}
			r.Starts, r.Deltas = append(r.Starts, s), ""
		case chat.Delta:
			r.Deltas += e.Text
		case chat.Spent:
			r.Spent = append(r.Spent, e.Spend)
		case chat.Finished:
			r.Reply = e.Reply
		}
		return nil
	})
	if err != nil {
		r.Kind = chat.KindOf(err).String()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		r.Calls = append(r.Calls, c.Model)
	}
	return r, err
}
