package main

import (
	"context"
	"testing"
	"time"

	"parley/test/rig"
)

// TestTheSwitch is a smaller run of the command. What it holds times to is far above what they are, for busy machines: only `make switches`
// proves the second.
func TestTheSwitch(t *testing.T) {
	rig.Need(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	seed := uint64(time.Now().UnixNano())
	p := plan{
		// From 7 s on only pushes and the reads that stand for lost ones are left.
		switches: switches{Rate: 120, Number: 6, Settle: 7 * time.Second, Gap: 2 * time.Second,
			Ways: []string{openAPI, command, adminAPI}, Seed: seed},
		young:  young{Rate: 20, Rounds: 1},
		storm:  storm{Rate: 50, For: 8 * time.Second, Recovery: 12 * time.Second},
		keys:   keys{Limit: 5, People: 40, Seed: seed},
		outage: outage{Rate: 20, Restarts: 1, Without: 4 * time.Second},
		bounds: bounds{Switch: 10 * time.Second, Ratio: 1.2},
		only:   parts,
		log:    t.Output(),
	}
	r, err := p.run(ctx)
	if r != nil {
		t.Log(r.table())
	}
	if err != nil {
		t.Error(err)
	}
}
