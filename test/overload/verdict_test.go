package main

import (
	"strings"
	"testing"
	"time"

	"parley/test/crowd"
)

// good is a report of a run that met every bar.
func good() *report {
	fine := func() sum { return sum{Messages: 3, Replies: map[string]int{answered: 2, "crowded": 1}} }
	return &report{
		Bars:     fullBars,
		Goodput:  &goodputResult{goodput: goodput{Places: 5, Times: []int{1, 3}}, Levels: []level{{1, 10, fine()}, {3, 9.5, fine()}}, Kept: 0.95, Most: 5},
		Fairness: &fairnessResult{Worse: 0.1, Greedy: fine()},
		Burst:    &burstResult{Sum: fine(), Waited: crowd.Latency{Max: 59 * time.Second}},
		Limits:   &limitsResult{limits: limits{InFlight: 5, PerMinute: 3}, Most: 5, Served: []int{4, 5}, Answered: []int{3, 3}, Flight: fine(), Rate: fine()},
		Acks:     &acksResult{Sum: fine()},
	}
}

func TestVerdict(t *testing.T) {
	if err := good().verdict(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*report)
		want  string
	}{
		"goodput falls":          {func(r *report) { r.Goodput.Kept = 0.89 }, "89 % of the peak"},
		"an ack beyond 5 s":      {func(r *report) { r.Goodput.Levels[1].Sum.Ack.Max = 6 * time.Second }, "an acknowledgement took 6s"},
		"nobody answered":        {func(r *report) { delete(r.Goodput.Levels[1].Sum.Replies, answered) }, "nobody was answered"},
		"too many calls":         {func(r *report) { r.Goodput.Most = 6 }, "6 calls at once"},
		"others suffer":          {func(r *report) { r.Fairness.Worse = 0.21 }, "21 % worse"},
		"others told":            {func(r *report) { r.Fairness.Faults = []string{"others: 1"} }, "others: 1"},
		"lost":                   {func(r *report) { r.Burst.Sum.Lost = 1 }, "neither answered nor told"},
		"doubled":                {func(r *report) { r.Burst.Sum.Extra = 1 }, "1 replies too many"},
		"no 200":                 {func(r *report) { r.Burst.Sum.Unacked = 1 }, "not acknowledged"},
		"a turn failed":          {func(r *report) { r.Acks.Sum.Replies["failed"] = 1 }, "1 messages failed"},
		"told too late":          {func(r *report) { r.Burst.Waited.Max = 61 * time.Second }, "waited 1m1s"},
		"nobody told":            {func(r *report) { delete(r.Burst.Sum.Replies, "crowded") }, "want some answered and some told"},
		"slow acks in a burst":   {func(r *report) { r.Burst.Sum.Ack.P99 = 2 * time.Second }, "p99 2s"},
		"turns over the limit":   {func(r *report) { r.Limits.Most = 6 }, "6 turns in flight, 5 are"},
		"fewer turns than may":   {func(r *report) { r.Limits.Most = 4 }, "4 turns in flight, 5 were"},
		"a person over theirs":   {func(r *report) { r.Limits.Answered[1] = 4 }, "3 to 4 times"},
		"one replica did it all": {func(r *report) { r.Limits.Served[1] = 0 }, "replica 2 took no message"},
		"slow acks":              {func(r *report) { r.Acks.Sum.Ack.P99 = 101 * time.Millisecond }, "acks: p99"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.spoil(r)
			if err := r.verdict(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
	t.Run("without bars for times", func(t *testing.T) {
		r := good()
		r.Bars = bars{}
		r.Acks.Sum.Ack.P99, r.Fairness.Worse, r.Goodput.Kept = time.Hour, 9, 0
		if err := r.verdict(); err != nil {
			t.Error(err)
		}
	})
}
