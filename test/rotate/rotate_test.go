package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"parley/test/rig"
)

// TestRotate rotates everything once, all at the same time; `make rotate` does it one after the other, three times.
func TestRotate(t *testing.T) {
	rig.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	only := slices.DeleteFunc(names(), func(name string) bool { return name == nacosKey })
	p := plan{rate: 30, rounds: 1, together: true, forgiven: 9, only: only, log: t.Output()}
	r, err := p.run(ctx)
	if r != nil {
		t.Log("\n" + r.String())
	}
	if err != nil {
		t.Error(err)
	}
}
