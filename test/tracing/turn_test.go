package tracing

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

const (
	people  = 20
	each    = 5 // questions of a person
	struck  = 8 // people whose turns run while a client service is killed
	private = "canary"
)

// step is a span that each turn has, and the span that it is within.
type step struct {
	name, parent, service string
	kind                  trace.Span_SpanKind
}

var steps = []step{
	{"callback wecom", "", "parley-client", trace.Span_SPAN_KIND_SERVER},
	{"accept", "callback wecom", "parley-client", trace.Span_SPAN_KIND_INTERNAL},
	{"mailbox", "accept", "parley-client", trace.Span_SPAN_KIND_INTERNAL},
	{"turn", "accept", "parley-client", trace.Span_SPAN_KIND_CONSUMER},
	{"answer", "turn", "parley-client", trace.Span_SPAN_KIND_INTERNAL},
	{completes, "answer", "parley-client", trace.Span_SPAN_KIND_CLIENT},
	{completes, completes, "parley-server", trace.Span_SPAN_KIND_SERVER},
	{"chat gpt-4o-mini", completes, "parley-server", trace.Span_SPAN_KIND_CLIENT},
	{"commit", "turn", "parley-client", trace.Span_SPAN_KIND_CLIENT},
	{"send", "turn", "parley-client", trace.Span_SPAN_KIND_CLIENT},
}

// direct are the steps of a program's request.
var direct = []step{
	{"POST /v1/chat/completions", "", "parley-client", trace.Span_SPAN_KIND_SERVER},
	{completes, "POST /v1/chat/completions", "parley-client", trace.Span_SPAN_KIND_CLIENT},
	{completes, completes, "parley-server", trace.Span_SPAN_KIND_SERVER},
	{"chat gpt-4o-mini", completes, "parley-server", trace.Span_SPAN_KIND_CLIENT},
}

const completes = "parley.chat.v1.ChatService/Complete"

// TestOneTracePerTurn: a hundred turns and more, some of them taken over from a client service that was killed.
func TestOneTracePerTurn(t *testing.T) {
	rig.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c, endpoint := collect(t)
	s := newStage(ctx, t, endpoint, 2)
	var wg sync.WaitGroup
	for p := range people {
		wg.Go(func() {
			for n := range each {
				s.say(ctx, fmt.Sprint(private, p), fmt.Sprint(private, " question ", n))
				s.shown(ctx, fmt.Sprint(private, p), n+1)
			}
		})
	}
	wg.Wait()
	s.completed(ctx)
	s.must(s.model.SetPace(ctx, llm.Pace{First: 25 * time.Second}))
	for p := range struck {
		s.say(ctx, fmt.Sprint(private, "-struck-", p), private)
	}
	s.asked(ctx, struck)
	time.Sleep(8 * time.Second) // by then the spans of what is over have left; what a killed process has not sent is lost
	s.busiest(ctx).Kill()
	s.must(s.model.SetPace(ctx, llm.Pace{}))
	for p := range struck {
		s.shown(ctx, fmt.Sprint(private, "-struck-", p), 1)
	}
	s.leave()

	taken, programs, turns := 0, 0, map[string]string{}
	for id, spans := range c.traces() {
		if accepted := named(spans, "accept"); len(accepted) > 0 {
			turn := accepted[0].attributes["parley.turn"]
			if turns[turn] != "" || turn == "" {
				t.Errorf("turn %q has the traces %s and %s", turn, turns[turn], id)
			}
			turns[turn] = id
		}
		switch {
		case len(named(spans, direct[0].name)) > 0:
			programs++
			judge(t, spans, direct)
		case judge(t, spans, steps):
			taken++
		}
	}
	if programs != 1 {
		t.Errorf("%d traces of programs' requests, want 1", programs)
	}
	if want := people*each + struck; len(turns) != want {
		t.Errorf("%d turns have a trace, want %d", len(turns), want)
	}
	if taken == 0 {
		t.Error("no turn was taken over: nothing was shown of it")
	}
	t.Logf("%d turns, %d taken over, %d spans", len(turns), taken, len(c.spans))
}

// judge looks at one trace, and tells whether its turn was taken over.
func judge(t *testing.T, spans []span, steps []step) (taken bool) {
	t.Helper()
	byID := map[string]span{}
	for _, s := range spans {
		byID[s.id] = s
		for _, v := range append(values(s), s.name) {
			if strings.Contains(v, private) {
				t.Errorf("%s says who or what: %q", s.name, v)
			}
		}
		if s.took < time.Microsecond {
			t.Errorf("%s lasted %v", s.name, s.took)
		}
	}
	for _, s := range named(spans, "turn") {
		if s.attributes["parley.takeover"] == "true" {
			taken = true
			if s.attributes["parley.attempt"] != "2" {
				t.Errorf("a turn that was taken over has the attributes %v", s.attributes)
			}
		}
	}
	for _, want := range steps {
		good := 0
		for _, s := range spans {
			if s.name == want.name && s.kind == want.kind && s.service == want.service && byID[s.parent].name == want.parent && (s.parent == "") == (want.parent == "") {
				good++
			}
		}
		if good != 1 && (!taken || good == 0) {
			t.Errorf("trace %s has %d times %s of %s within %q, want once:\n%s", spans[0].trace, good, want.name, want.service, want.parent, draw(spans))
			return taken
		}
	}
	if !taken && len(spans) != len(steps) {
		t.Errorf("trace %s has further spans:\n%s", spans[0].trace, draw(spans))
	}
	return taken
}

func named(spans []span, name string) (out []span) {
	for _, s := range spans {
		if s.name == name {
			out = append(out, s)
		}
	}
	return out
}

func values(s span) (out []string) {
	for _, v := range s.attributes {
		out = append(out, v)
	}
	return out
}

func draw(spans []span) string {
	var out strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&out, "  %s < %-16s %s %s %s %v failed=%v %v\n", s.id, s.parent, s.service, s.kind, s.name, s.took, s.failed, s.attributes)
	}
	return out.String()
}
