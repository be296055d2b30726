package main

import (
	"context"
	"testing"
	"time"

	"parley/test/rig"
)

// TestOverload is a smaller run of the command. It holds counts and limits; times are what a busy machine has left, so only `make overload` holds
// them.
func TestOverload(t *testing.T) {
	rig.Need(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := plan{
		goodput:  goodput{Places: 12, Answer: 300 * time.Millisecond, For: time.Second, BusyAfter: 2 * time.Second, Times: []int{1, 3}},
		fairness: fairness{Tenants: 6, Quota: 5, Share: 0.3, For: time.Second, Phases: 2},
		burst:    burst{People: 1200, Within: 13 * time.Second, BusyAfter: 2 * time.Second},
		limits:   limits{InFlight: 5, PerMinute: 3, People: 20, Answer: 1500 * time.Millisecond},
		acks:     acks{Rate: 400, For: time.Second},
		only:     []string{"goodput", "fairness", "burst", "limits", "acks"},
		log:      t.Output(),
	}
	r, err := p.run(ctx)
	if r != nil {
		t.Log(r.table())
	}
	if err != nil {
		t.Error(err)
	}
}
