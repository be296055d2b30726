package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/rig"
)

// openai compares three ways to the same model, in slices that take turns: directly, through a plain reverse proxy, and through a client
// service's /v1/, Triple and a server. Each way takes plain requests and streams, as fast as a few callers get them (closed loop) and at a
// rate (open loop). The model answers at once.
type openai struct {
	crew
	AtOnce int           `json:"callers_of_the_closed_loop"`
	Rate   int           `json:"rate_of_the_open_loop"`
	For    time.Duration `json:"for_each_ns"`
	Chunks int           `json:"chunks_of_a_stream"`

	profiles profiles
}

type openaiResult struct {
	openai
	Ways []wayResult `json:"ways"`
}

// wayResult is one way with one kind of request in one loop.
type wayResult struct {
	Way       string             `json:"way"`
	Stream    bool               `json:"stream"`
	Open      bool               `json:"open_loop"`
	Requests  int                `json:"requests"`
	Failed    int                `json:"failed"`
	Why       string             `json:"first_failure,omitempty"`
	PerSecond float64            `json:"requests_per_second"`
	First     crowd.Latency      `json:"first_text"`
	Whole     crowd.Latency      `json:"whole_answer"`
	CPU       map[string]float64 `json:"cpu_us_per_request"`
}

// way is a wayResult that is being measured.
type way struct {
	wayResult
	ask  *asker
	took times
	used spent
	for_ time.Duration
}

const sliceOfRequests = 2 * time.Second

func (b openai) run(ctx context.Context, g *rig.Rig) (*openaiResult, error) {
	s, err := newStageOf(ctx, g, crowd.New().Shown, rig.ModelOptions{Pace: llm.Pace{Chunks: b.Chunks}}, b.crew, func(rig.Company) error { return nil })
	if err != nil {
		return nil, err
	}
	origin, floor, err := startFloor(ctx, g, s.model.Origin)
	if err != nil {
		return nil, err
	}
	usage := func() map[string]rig.Usage {
		u := s.usage()
		u["reverse proxy"] = floor.Usage()
		return u
	}
	asks := []struct {
		way string
		*asker
	}{
		{direct, newAsker(s.model.Origin, "", "gpt-4o-mini")}, {proxied, newAsker(origin, "", "gpt-4o-mini")},
		{parley, newAsker("http://"+s.client.Addr, s.company.APIKey, "chat")},
	}
	var ways []*way
	for _, open := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			for _, a := range asks {
				ways = append(ways, &way{wayResult: wayResult{Way: a.way, Stream: stream, Open: open}, ask: a.asker, used: spent{}})
			}
		}
	}
	for _, w := range ways { // what is first asked of each opens connections
		w.slice(ctx, b, 300*time.Millisecond)
		w.took, w.for_ = times{}, 0
	}
	profiled := b.profiles.during(ctx, s, "openai", time.Duration(len(ways))*b.For)
	for done := time.Duration(0); done < b.For && ctx.Err() == nil; done += sliceOfRequests {
		g.Logf("openai: %s of %s each", done, b.For)
		for _, w := range ways {
			before := usage()
			w.slice(ctx, b, min(sliceOfRequests, b.For-done))
			w.used.add(before, usage())
		}
	}
	res := &openaiResult{openai: b}
	for _, w := range ways {
		res.Ways = append(res.Ways, w.result())
	}
	return res, errors.Join(profiled(), ctx.Err())
}

// The ways.
const (
	direct  = "directly"
	proxied = "reverse proxy"
	parley  = "parley"
)

// slice measures a way for d.
func (w *way) slice(ctx context.Context, b openai, d time.Duration) {
	began := time.Now()
	once := func(due time.Time) { w.took.add(w.ask.ask(ctx, due, w.Stream)) }
	if w.Open {
		paced(ctx, b.Rate, int(d.Seconds()*float64(b.Rate)), func(_ int, due time.Time) { once(due) })
	} else {
		var wg sync.WaitGroup
		for range b.AtOnce {
			wg.Go(func() {
				for time.Since(began) < d && ctx.Err() == nil {
					once(time.Now())
				}
			})
		}
		wg.Wait()
	}
	w.for_ += time.Since(began)
}

func (w *way) result() wayResult {
	r := w.wayResult
	r.Requests, r.Failed = len(w.took.whole), w.took.failed
	r.PerSecond = float64(r.Requests) / w.for_.Seconds()
	r.First, r.Whole, r.CPU = crowd.Summarize(w.took.first), crowd.Summarize(w.took.whole), w.used.each(r.Requests)
	if w.took.why != nil {
		r.Why = w.took.why.Error()
	}
	return r
}

// of finds a way's result.
func (o *openaiResult) of(way string, stream, open bool) wayResult {
	for _, w := range o.Ways {
		if w.Way == way && w.Stream == stream && w.Open == open {
			return w
		}
	}
	panic(fmt.Sprintf("no way %q", way))
}
