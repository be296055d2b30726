package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// delta compares three ways to the same model at the same rate, in slices that take turns, so that what else runs on the machine hits
// all alike:
//
//   - bare: the model's own stream over h2c, request to first delta and to the end;
//   - web: a message posted to the web page's channel, to the first delta in its event stream: HTTP, Redis, claim, Triple, the model,
//     live text in Redis, server-sent event;
//   - wecom: a sealed callback, to the whole answer shown by message/send.
type delta struct {
	Rate int           `json:"rate"`
	For  time.Duration `json:"for_each_way_ns"`
}

type deltaResult struct {
	delta
	Model     llm.Pace           `json:"model_pace"`
	BareFirst crowd.Latency      `json:"bare_first_delta"`
	WebFirst  crowd.Latency      `json:"web_first_delta"`
	BareWhole crowd.Latency      `json:"bare_whole_answer"`
	WebWhole  crowd.Latency      `json:"web_whole_answer"`
	WeCom     crowd.Latency      `json:"wecom_whole_answer"`
	NoDelta   int                `json:"web_turns_without_a_delta"` // the whole answer came first
	Failed    int                `json:"failed"`
	CPU       map[string]float64 `json:"cpu_us_per_message"` // over all three ways: the processes of the chain work in two
	Added     added              `json:"added"`
}

// added is the chain's latency less the bare model's, at the same quantile.
type added struct {
	FirstP50 time.Duration `json:"first_delta_p50_ns"`
	FirstP99 time.Duration `json:"first_delta_p99_ns"`
	WholeP50 time.Duration `json:"wecom_whole_answer_p50_ns"`
	WholeP99 time.Duration `json:"wecom_whole_answer_p99_ns"`
}

const (
	slice    = 2 * time.Second
	visitors = 150 // each is asked again only after its answer: every 3 s at 50 a second
)

// times collects what one way took.
type times struct {
	mu           sync.Mutex
	first, whole []time.Duration
	failed       int
	noDelta      int
	why          error
}

func (t *times) add(first, whole time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failed++
		if t.why == nil {
			t.why = err
		}
		return
	}
	if first == 0 {
		first = whole
		t.noDelta++
	}
	t.first, t.whole = append(t.first, first), append(t.whole, whole)
}

func (b delta) run(ctx context.Context, g *rig.Rig) (*deltaResult, error) {
	pace := llm.Pace{First: 200 * time.Millisecond, Between: 50 * time.Millisecond, Chunks: 12}
	people := crowd.New()
	s, err := newStage(ctx, g, people.Shown, rig.ModelOptions{Pace: pace})
	if err != nil {
		return nil, err
	}
	s.warm(ctx, people, 20)
	web, err := enter(ctx, s, visitors)
	if err != nil {
		return nil, err
	}
	defer web.leave()
	bare := newBare(s.model.Origin)
	var asked atomic.Int64
	ways := []struct {
		name string
		took times
		turn func(ctx context.Context, due time.Time) (first, whole time.Duration, err error)
	}{
		{name: "bare", turn: bare.turn},
		{name: "web", turn: web.turn},
		{name: "wecom", turn: func(ctx context.Context, due time.Time) (time.Duration, time.Duration, error) {
			n := int(asked.Add(1))
			id := ledger.ID{Person: fmt.Sprintf("d%05d", n), N: 1}
			people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, due)
			err := people.Await(ctx, id)
			return 0, time.Since(due), err
		}},
	}
	before, n := s.usage(), 0
	for began := time.Duration(0); began < b.For; began += slice {
		for i := range ways {
			g.Logf("delta: %s, %d a second", ways[i].name, b.Rate)
			n += loop(ctx, b.Rate, min(slice, b.For-began), ways[i].turn, ways[i].took.add)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	res := &deltaResult{delta: b, Model: pace, CPU: perMessage(before, s.usage(), n*2/3), NoDelta: ways[1].took.noDelta,
		BareFirst: crowd.Summarize(ways[0].took.first), BareWhole: crowd.Summarize(ways[0].took.whole),
		WebFirst: crowd.Summarize(ways[1].took.first), WebWhole: crowd.Summarize(ways[1].took.whole),
		WeCom: crowd.Summarize(ways[2].took.whole)}
	for i := range ways {
		if res.Failed += ways[i].took.failed; ways[i].took.failed > 0 {
			g.Logf("delta: %s: %d failed; the first: %v", ways[i].name, ways[i].took.failed, ways[i].took.why)
		}
	}
	res.Added = added{
		res.WebFirst.P50 - res.BareFirst.P50, res.WebFirst.P99 - res.BareFirst.P99,
		res.WeCom.P50 - res.BareWhole.P50, res.WeCom.P99 - res.BareWhole.P99,
	}
	return res, nil
}

// loop starts turns at a rate, open loop, waits for all of them and returns how many there were.
func loop(ctx context.Context, rate int, d time.Duration, turn func(context.Context, time.Time) (time.Duration, time.Duration, error),
	took func(first, whole time.Duration, err error),
) int {
	ctx, cancel := context.WithTimeout(ctx, d+30*time.Second)
	defer cancel()
	began, n := time.Now(), int(d.Seconds()*float64(rate))
	var wg sync.WaitGroup
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			took(turn(ctx, due))
		}()
	}
	wg.Wait()
	return n
}
