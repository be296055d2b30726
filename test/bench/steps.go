package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/test/figures"
)

// step is one histogram of Parley's own processes.
type step struct{ name, metric, label string }

// steps are those that a message takes, in its order.
var steps = []step{
	{"callback, to its 200", "parley_callback_ack_seconds", ""},
	{"accept (script)", "parley_step_seconds", `step="accept"`},
	{"mailbox wait", "parley_step_seconds", `step="mailbox"`},
	{"load (claim, script)", "parley_step_seconds", `step="claim"`},
	{"answer (RPC and all below)", "parley_step_seconds", `step="answer"`},
	{"RPC, to the first text", "parley_rpc_client_first_text_seconds", ""},
	{"server, whole", "parley_rpc_server_completion_seconds", ""},
	{"provider, first token", "parley_llm_first_token_seconds", ""},
	{"commit (script)", "parley_step_seconds", `step="commit"`},
	{"send (platform's API)", "parley_step_seconds", `step="send"`},
	{"delivered (script)", "parley_step_seconds", `step="delivered"`},
	{"reply, from accepted", "parley_step_seconds", `step="reply"`},
	{"API, to the first text", "parley_api_first_text_seconds", ""},
}

// taken is what a step took, read from its histogram: within a bucket times are taken to be even.
type taken struct {
	Step string        `json:"step"`
	N    int           `json:"n"`
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
}

// histogram is how many observations are at most as many seconds, by that.
type histogram map[float64]float64

// histograms reads all steps of all processes.
func (s *stage) histograms(ctx context.Context) ([]histogram, error) {
	all := make([]histogram, len(steps))
	for i := range all {
		all[i] = histogram{}
	}
	for _, n := range s.nodes() {
		m, err := n.Metrics(ctx)
		if err != nil {
			return nil, fmt.Errorf("metrics of %s: %w", n.Name, err)
		}
		for key, v := range m {
			base, labels, _ := strings.Cut(key, "{")
			for i, st := range steps {
				if base == st.metric+"_bucket" && strings.Contains(labels, st.label) {
					all[i][bound(labels)] += v
				}
			}
		}
	}
	return all, nil
}

// bound is the le of a bucket's labels.
func bound(labels string) float64 {
	_, le, _ := strings.Cut(labels, `le="`)
	le, _, _ = strings.Cut(le, `"`)
	f, err := strconv.ParseFloat(le, 64)
	if err != nil {
		return math.Inf(1)
	}
	return f
}

// between gives what each step took from one reading to another; steps that nothing took are left out.
func between(before, after []histogram) (list []taken) {
	for i, st := range steps {
		h := histogram{}
		for le, n := range after[i] {
			h[le] = n - before[i][le]
		}
		if n := h[math.Inf(1)]; n > 0 {
			list = append(list, taken{st.name, int(n), h.quantile(0.50), h.quantile(0.99)})
		}
	}
	return list
}

// quantile is Prometheus' histogram_quantile.
func (h histogram) quantile(q float64) time.Duration {
	bounds := make([]float64, 0, len(h))
	for le := range h {
		bounds = append(bounds, le)
	}
	slices.Sort(bounds)
	rank := q * h[math.Inf(1)]
	var low, below float64
	for _, le := range bounds {
		if n := h[le]; n >= rank && n > below {
			if math.IsInf(le, 1) {
				break
			}
			return time.Duration((low + (le-low)*(rank-below)/(n-below)) * float64(time.Second))
		}
		low, below = le, h[le]
	}
	return time.Duration(low * float64(time.Second)) // beyond the last bucket
}

func stepRows(sh *figures.Sheet, list []taken) {
	for _, t := range list {
		sh.Row("step: "+t.Step, "p50 %s  p99 %s  (n %d)", short(t.P50), short(t.P99), t.N)
	}
}

func short(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
