package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// inflight is many long answers at once.
type inflight struct {
	Turns  int           `json:"turns"`
	Answer time.Duration `json:"answer_ns"`
}

type inflightResult struct {
	inflight
	Most     int           `json:"most_at_once"` // as the model counted them
	Posting  time.Duration `json:"posting_ns"`
	Answered int           `json:"answered_once"`
	Lost     int           `json:"lost"`
	Doubled  int           `json:"doubled"`
	Faults   int           `json:"ledger_faults"`
	Ack      crowd.Latency `json:"ack"`
	// Over is how much later than an ideal answer a reply was shown.
	Over   crowd.Latency      `json:"over_ideal"`
	Memory map[string]memory  `json:"memory"`
	CPU    map[string]float64 `json:"cpu_us_per_message"`
	Ledger string             `json:"ledger"`
}

// memory is what one process needed for the turns, in bytes.
type memory struct {
	Idle     int64 `json:"rss_idle"`
	Most     int64 `json:"rss_most"`
	HeapIdle int64 `json:"heap_in_use_idle"`
	HeapMost int64 `json:"heap_in_use_most"`
	PerTurn  int64 `json:"rss_per_turn"`
	HeapTurn int64 `json:"heap_per_turn"`
}

// chunks of an answer; the first comes after a chunk's time.
const chunks = 20

func (b inflight) run(ctx context.Context, g *rig.Rig) (*inflightResult, error) {
	each := b.Answer / chunks
	warm, people := crowd.New(), crowd.New()
	shown := newFork(warm)
	s, err := newStage(ctx, g, shown.show, rig.ModelOptions{Pace: llm.Pace{First: 10 * time.Millisecond, Between: time.Millisecond, Chunks: chunks}})
	if err != nil {
		return nil, err
	}
	s.warm(ctx, warm, 50)
	shown.to(people)
	if err := s.model.SetPace(ctx, llm.Pace{First: each, Between: each, Chunks: chunks}); err != nil {
		return nil, err
	}
	w := watch(ctx, s)
	g.Logf("inflight: %d turns of %s", b.Turns, b.Answer)
	before, began := s.usage(), time.Now()
	b.post(ctx, s, people)
	posting := time.Since(began)
	settle, cancel := context.WithTimeout(ctx, 2*b.Answer+time.Minute)
	people.Settle(settle, 8*time.Second) // beyond a lease, which would bring second answers
	cancel()
	after := s.usage()
	seen := w.stop()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	list, r := people.Messages(), people.Check(s.company.Window)
	res := &inflightResult{inflight: b, Posting: posting, Answered: r.Answered, Lost: r.Count(ledger.Lost), Doubled: r.Count(ledger.Doubled),
		Faults: len(r.Faults), Ack: crowd.Acks(list), CPU: perMessage(before, after, b.Turns), Ledger: r.String(),
		Most: seen.most, Memory: seen.memory(b.Turns)}
	var over []time.Duration
	for _, m := range list {
		if !m.Answered.IsZero() {
			over = append(over, m.Answered.Sub(m.Due)-b.Answer)
		}
	}
	res.Over = crowd.Summarize(over)
	return res, nil
}

// post posts everything as fast as it is acknowledged, a hundred at a time.
func (b inflight) post(ctx context.Context, s *stage, people *crowd.Crowd) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range 100 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				id := ledger.ID{Person: fmt.Sprintf("f%05d", i+1), N: 1}
				people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, time.Now())
			}
		}()
	}
	for i := range b.Turns {
		next <- i
	}
	close(next)
	wg.Wait()
}

// watcher looks at the processes twice a second.
type watcher struct {
	cancel context.CancelFunc
	done   chan observed
}

type observed struct {
	idle, top map[string]sample
	most      int
}

type sample struct{ rss, heap int64 }

func watch(ctx context.Context, s *stage) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel, make(chan observed, 1)}
	o := observed{idle: look(ctx, s), top: map[string]sample{}}
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			for name, x := range look(ctx, s) {
				o.top[name] = sample{max(o.top[name].rss, x.rss), max(o.top[name].heap, x.heap)}
			}
			if st, err := s.model.Stats(ctx); err == nil {
				o.most = max(o.most, st.Running)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				w.done <- o
				return
			}
		}
	}()
	return w
}

func (w *watcher) stop() observed {
	w.cancel()
	return <-w.done
}

func look(ctx context.Context, s *stage) map[string]sample {
	seen := map[string]sample{"model (simulated)": {rss: s.model.Usage().RSS}}
	if u, err := rig.UsageOf(s.Redis.PID()); err == nil {
		seen["redis"] = sample{rss: u.RSS}
	}
	if u, err := rig.UsageOf(os.Getpid()); err == nil {
		seen["people and WeCom (simulated)"] = sample{rss: u.RSS}
	}
	for name, n := range map[string]*rig.Node{"client": s.client, "server": s.server} {
		x := sample{rss: n.Usage().RSS}
		if m, err := n.Metrics(ctx); err == nil {
			x.heap = int64(m.Sum("go_memstats_heap_inuse_bytes"))
		}
		seen[name] = x
	}
	return seen
}

func (o observed) memory(turns int) map[string]memory {
	out := map[string]memory{}
	for name, top := range o.top {
		idle := o.idle[name]
		out[name] = memory{
			Idle: idle.rss, Most: top.rss, HeapIdle: idle.heap, HeapMost: top.heap,
			PerTurn: (top.rss - idle.rss) / int64(turns), HeapTurn: (top.heap - idle.heap) / int64(turns),
		}
	}
	return out
}
