package main

import (
	"context"
	"time"

	"parley/test/rig"
)

// memory is what the processes of one kind needed for the turns: bytes, and goroutines.
type memory struct {
	Idle, Most sample
	PerTurn    float64 `json:"rss_per_turn"`
	HeapTurn   float64 `json:"heap_in_use_per_turn"`
	StackTurn  float64 `json:"stacks_per_turn"`
	Goroutines float64 `json:"goroutines_per_turn"`
}

// sample is a look at all processes of a kind. Only Parley's own tell of their heap.
type sample struct {
	RSS        int64 `json:"rss"`
	Heap       int64 `json:"heap_in_use"`
	Stacks     int64 `json:"stacks"`
	Goroutines int64 `json:"goroutines"`
}

func (s sample) plus(o sample) sample {
	return sample{s.RSS + o.RSS, s.Heap + o.Heap, s.Stacks + o.Stacks, s.Goroutines + o.Goroutines}
}

func (s sample) most(o sample) sample {
	return sample{max(s.RSS, o.RSS), max(s.Heap, o.Heap), max(s.Stacks, o.Stacks), max(s.Goroutines, o.Goroutines)}
}

// watcher looks at the processes every other second.
type watcher struct {
	cancel context.CancelFunc
	done   chan observed
}

type observed struct {
	idle, top map[string]sample
	most      int // turns at once, as the model counts them
}

func watch(ctx context.Context, s *stage) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel, make(chan observed, 1)}
	o := observed{idle: look(ctx, s), top: map[string]sample{}}
	go func() {
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			for name, x := range look(ctx, s) {
				o.top[name] = o.top[name].most(x)
			}
			if st, err := s.model.Stats(ctx); err == nil {
				o.most = max(o.most, st.Most)
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
	seen := map[string]sample{}
	for name, u := range s.usage() {
		seen[name] = sample{RSS: u.RSS}
	}
	for name, nodes := range map[string][]*rig.Node{"client": s.clients, "server": s.servers} {
		for _, n := range nodes {
			if m, err := n.Metrics(ctx); err == nil {
				seen[name] = seen[name].plus(sample{
					Heap: int64(m.Sum("go_memstats_heap_inuse_bytes")), Stacks: int64(m.Sum("go_memstats_stack_inuse_bytes")),
					Goroutines: int64(m.Sum("go_goroutines")),
				})
			}
		}
	}
	return seen
}

func (o observed) memory(turns int) map[string]memory {
	out := map[string]memory{}
	for name, top := range o.top {
		idle := o.idle[name]
		each := func(of func(sample) int64) float64 { return float64(of(top)-of(idle)) / float64(turns) }
		out[name] = memory{
			Idle: idle, Most: top,
			PerTurn:    each(func(s sample) int64 { return s.RSS }),
			HeapTurn:   each(func(s sample) int64 { return s.Heap }),
			StackTurn:  each(func(s sample) int64 { return s.Stacks }),
			Goroutines: each(func(s sample) int64 { return s.Goroutines }),
		}
	}
	return out
}
