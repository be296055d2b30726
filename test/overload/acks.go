package main

import (
	"context"
	"os"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// acks is many callbacks a second, all of whose people want an answer from a model that answers at once.
type acks struct {
	Rate int           `json:"rate"`
	For  time.Duration `json:"for_ns"`
}

type acksResult struct {
	acks
	Sum sum `json:"sum"`
	// CPU is how many cores each process used while callbacks came.
	CPU map[string]float64 `json:"cores_used"`
}

func (b acks) document() string { return "" }

func (b acks) run(ctx context.Context, t *town) (*acksResult, error) {
	if err := t.allow(ctx, 0, 0, llm.Pace{}); err != nil {
		return nil, err
	}
	warm := t.offer(ctx, load{n: b.Rate, rate: float64(b.Rate) / 4, of: somebody("acks", "warm")})
	if err := t.settle(ctx, warm, time.Minute); err != nil {
		return nil, err
	}
	t.Logf("acks: %d a second for %s", b.Rate, b.For)
	before, began := t.cpu(), time.Now()
	list := t.offer(ctx, load{n: int(b.For.Seconds() * float64(b.Rate)), rate: float64(b.Rate), of: somebody("acks", "ack")})
	took, used := time.Since(began), t.cpu()
	for name := range used {
		used[name] = (used[name] - before[name]) / took.Seconds()
	}
	if err := t.settle(ctx, list, 3*time.Minute); err != nil {
		return nil, err
	}
	return &acksResult{b, t.people.count(list), used}, nil
}

// cpu is what every process has used so far, in seconds.
func (t *town) cpu() map[string]float64 {
	used := map[string]float64{"model (simulated)": t.model.Usage().CPU.Seconds()}
	for i := range replicas {
		used["clients"] += t.clients[i].Usage().CPU.Seconds()
		used["servers"] += t.servers[i].Usage().CPU.Seconds()
	}
	for name, pid := range map[string]int{"redis": t.Redis.PID(), "people and WeCom (simulated)": os.Getpid()} {
		u, _ := rig.UsageOf(pid) // 0 where there is no /proc
		used[name] = u.CPU.Seconds()
	}
	return used
}
