package main

import (
	"context"
	"testing"
	"time"

	"parley/test/rig"
)

// TestNothingIsLostInChaos is a shorter run of the command. It shares the Nacos of other tests, which it only cuts off.
func TestNothingIsLostInChaos(t *testing.T) {
	nacos := rig.Need(t)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	p := plan{
		seed: uint64(time.Now().UnixNano()), length: 100 * time.Second, rate: 20, settle: 3 * time.Minute, nacos: nacos,
		manners: manners{turns: 6, eager: 20, burst: 5, stops: 5, chatty: 3, patience: 20 * time.Second},
		only:    func(string) bool { return true },
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
