package main

import (
	"context"
	"testing"
	"time"

	"parley/test/rig"
)

// TestEveryMessageIsAnsweredOnce is a smaller run of the command, with the same kills.
func TestEveryMessageIsAnsweredOnce(t *testing.T) {
	rig.Need(t)

	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	p := plan{
		conversations: 150, turns: 3, eager: 20, burst: 5,
		spread: 15 * time.Second, patience: 90 * time.Second, seed: uint64(time.Now().UnixNano()),
	}
	r, err := p.run(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if !r.ok() {
		t.Fail()
	}
}
