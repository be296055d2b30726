package llm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// scrape gives the counters and gauges as name{labels} value, and histograms by their count.
func scrape(t *testing.T, b *bench) (lines []string) {
	t.Helper()
	families, err := b.tel.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "parley_") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			lines = append(lines, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), value))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestMetrics(t *testing.T) {
	silent := says("x")
	b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {says("你", "好"), fails(kind(chat.Overloaded))}, "b": {silent}})
	for range 2 {
		if _, err := b.ask(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"parley_llm_breaker_open{provider=a} 0",
		"parley_llm_breaker_open{provider=b} 0",
		"parley_llm_duration_seconds{model=gpt-4o,provider=a} 2",
		"parley_llm_duration_seconds{model=gpt-4o,provider=b} 1",
		"parley_llm_fallbacks_total{provider=a,reason=overloaded} 1",
		"parley_llm_first_token_seconds{model=gpt-4o,provider=a} 1",
		"parley_llm_first_token_seconds{model=gpt-4o,provider=b} 1",
		"parley_llm_in_flight{provider=a} 0",
		"parley_llm_in_flight{provider=b} 0",
		"parley_llm_keys_refused{kind=billing,provider=a} 0",
		"parley_llm_keys_refused{kind=billing,provider=b} 0",
		"parley_llm_keys_refused{kind=unauthenticated,provider=a} 0",
		"parley_llm_keys_refused{kind=unauthenticated,provider=b} 0",
		"parley_llm_keys_resting{provider=a} 0",
		"parley_llm_keys_resting{provider=b} 0",
		"parley_llm_keys{provider=a,state=resolved} 0",
		"parley_llm_keys{provider=a,state=unresolved} 0",
		"parley_llm_keys{provider=b,state=resolved} 0",
		"parley_llm_keys{provider=b,state=unresolved} 0",
		"parley_llm_requests_total{model=gpt-4o,outcome=ok,provider=a} 1",
		"parley_llm_requests_total{model=gpt-4o,outcome=ok,provider=b} 1",
		"parley_llm_requests_total{model=gpt-4o,outcome=overloaded,provider=a} 1",
		"parley_llm_tokens_total{direction=input,model=gpt-4o,provider=a,source=provider} 7",
		"parley_llm_tokens_total{direction=input,model=gpt-4o,provider=b,source=provider} 7",
		"parley_llm_tokens_total{direction=output,model=gpt-4o,provider=a,source=provider} 3",
		"parley_llm_tokens_total{direction=output,model=gpt-4o,provider=b,source=provider} 3",
		"parley_llm_turns_total{model=gpt-4o,outcome=ok,provider=a,via=route} 1",
		"parley_llm_turns_total{model=gpt-4o,outcome=ok,provider=b,via=fallback} 1",
	}
	if diff := cmp.Diff(want, scrape(t, b)); diff != "" {
		t.Error(diff)
	}
}
