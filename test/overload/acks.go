package main

import (
	"context"
	"time"

	"parley/internal/sim/llm"
)

// acks is many callbacks a second, all of whose people want an answer from a model that answers at once.
type acks struct {
	Rate int           `json:"rate"`
	For  time.Duration `json:"for_ns"`
}

type acksResult struct {
	acks
	Sum sum `json:"sum"`
}

func (b acks) document() string { return "" }

func (b acks) run(ctx context.Context, t *town) (*acksResult, error) {
	if err := t.allow(ctx, 0, llm.Pace{}); err != nil {
		return nil, err
	}
	warm := t.offer(ctx, load{n: b.Rate, rate: float64(b.Rate) / 4, of: somebody("acks", "warm")})
	if err := t.settle(ctx, warm, time.Minute); err != nil {
		return nil, err
	}
	t.Logf("acks: %d a second for %s", b.Rate, b.For)
	list := t.offer(ctx, load{n: int(b.For.Seconds() * float64(b.Rate)), rate: float64(b.Rate), of: somebody("acks", "ack")})
	if err := t.settle(ctx, list, 3*time.Minute); err != nil {
		return nil, err
	}
	return &acksResult{b, t.people.count(list)}, nil
}
