package llm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// spans is a collector that keeps what it gets.
type spans struct {
	mu   sync.Mutex
	list []sdktrace.ReadOnlySpan
}

func (s *spans) ExportSpans(_ context.Context, list []sdktrace.ReadOnlySpan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, list...)
	return nil
}

func (*spans) Shutdown(context.Context) error { return nil }

// TestChatSpans: one span for each provider that a turn tried, over all its retries, in the words of the conventions, which stand here once more.
func TestChatSpans(t *testing.T) {
	const said, asked = "secret answer", "secret question"
	for name, c := range map[string]struct {
		scripts map[string][]script
		want    []string
	}{
		"answered at once": {map[string][]script{"a": {says(said)}, "b": {says(said)}}, []string{
			"a: calls 1, error , finish [stop], tokens 7 3, fallback false",
		}},
		"answered by another": {map[string][]script{"a": {fails(kind(chat.Overloaded))}, "b": {says(said)}}, []string{
			"a: calls 1, error overloaded, finish , tokens  , fallback false",
			"b: calls 1, error , finish [stop], tokens 7 3, fallback true",
		}},
		"answered by a retry": {map[string][]script{"a": {fails(kind(chat.Unavailable)), says(said)}, "b": {fails(kind(chat.Unavailable))}}, []string{
			"a: calls 2, error , finish [stop], tokens 7 3, fallback false",
			"b: calls 1, error unavailable, finish , tokens  , fallback true",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := new(spans)
				b := newBench(t, providers("", "a", "b"), c.scripts, func(o *Options) { o.Telemetry.Trace = telemetry.TracerTo(out, nil) })
				req := request()
				req.Question, req.Conversation = asked, "hash"
				if _, err := b.ask(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				if err := b.tel.Trace.Close(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, described(t, out.list)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func described(t *testing.T, list []sdktrace.ReadOnlySpan) (out []string) {
	t.Helper()
	for _, s := range list {
		is := map[string]string{}
		for _, a := range s.Attributes() {
			is[string(a.Key)] = a.Value.Emit()
			if strings.Contains(a.Value.Emit(), "secret") {
				t.Errorf("%s tells contents: %s", s.Name(), a.Key)
			}
		}
		for key, want := range map[string]string{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.conversation.id": "hash", "gen_ai.request.stream": "true",
		} {
			if is[key] != want {
				t.Errorf("%s is %q, want %q", key, is[key], want)
			}
		}
		if _, ok := is["gen_ai.response.time_to_first_chunk"]; s.Name() != "chat gpt-4o" || s.SpanKind().String() != "client" || is["server.address"] == "" || is["server.port"] != "80" || ok != (is["error.type"] == "") {
			t.Errorf("%s %s %v", s.SpanKind(), s.Name(), is)
		}
		finish := strings.Trim(is["gen_ai.response.finish_reasons"], `"`)
		out = append(out, fmt.Sprintf("%s: calls %s, error %s, finish %s, tokens %s %s, fallback %s", is["parley.provider"], is["parley.calls"], is["error.type"],
			strings.ReplaceAll(finish, `"`, ""), is["gen_ai.usage.input_tokens"], is["gen_ai.usage.output_tokens"], is["parley.fallback"]))
	}
	slices.Sort(out)
	return out
}

// TestGenAIMetrics holds the conventions' names, labels and buckets.
func TestGenAIMetrics(t *testing.T) {
	b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {fails(kind(chat.Overloaded))}, "b": {says("x")}})
	if _, err := b.ask(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	families, err := b.tel.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "gen_ai_") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels, buckets []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			for _, bucket := range m.GetHistogram().GetBucket() {
				buckets = append(buckets, fmt.Sprintf("%.10g", bucket.GetUpperBound()))
			}
			got = append(got, fmt.Sprintf("%s{%s} %d of %s", f.GetName(), strings.Join(labels, ","), m.GetHistogram().GetSampleCount(), strings.Join(buckets, " ")))
		}
	}
	const seconds = " of 0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92"
	const tokens = " of 1 4 16 64 256 1024 4096 16384 65536 262144 1048576 4194304 16777216 67108864"
	const who = "gen_ai_operation_name=chat,gen_ai_provider_name=openai,gen_ai_request_model=gpt-4o"
	want := []string{
		"gen_ai_client_operation_duration_seconds{error_type=," + who + "} 1" + seconds,
		"gen_ai_client_operation_duration_seconds{error_type=overloaded," + who + "} 1" + seconds,
		"gen_ai_client_operation_time_to_first_chunk_seconds{" + who + "} 1" + seconds,
		"gen_ai_client_token_usage{" + who + ",gen_ai_token_type=input} 1" + tokens,
		"gen_ai_client_token_usage{" + who + ",gen_ai_token_type=output} 1" + tokens,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
