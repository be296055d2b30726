package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"parley/test/ledger"
)

// turns is how often a person asks before another one comes.
const turns = 6

// talk is people who talk until it ends.
type talk struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// talk lets so many people talk that the plan's rate comes about: each asks, reads the answer, thinks, and asks on.
func (s *stage) talk(ctx context.Context) *talk {
	until, stop := context.WithCancel(ctx)
	t := &talk{stop: stop}
	think := 3 * time.Second
	for i := range s.plan.rate * int((think+pace.length())/time.Second) {
		random := rand.New(rand.NewPCG(s.plan.seed, uint64(i)))
		t.wg.Go(func() {
			for person := 0; until.Err() == nil; person++ {
				s.converse(ctx, until, fmt.Sprintf("p%dn%d", i, person), think, random)
			}
		})
	}
	return t
}

// converse is one person's conversation. What was asked is waited for, also when the day is over.
func (s *stage) converse(ctx, until context.Context, person string, think time.Duration, random *rand.Rand) {
	for n := 1; n <= turns && until.Err() == nil; n++ {
		select {
		case <-time.After(time.Duration(random.Int64N(int64(2 * think)))):
		case <-until.Done():
			return
		}
		id := ledger.ID{Person: person, N: n}
		if m := s.people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, time.Now()); m.Err != "" {
			return
		}
		patience, done := context.WithTimeout(ctx, time.Minute)
		err := s.people.Await(patience, id)
		done()
		if err != nil {
			return
		}
	}
}

// end lets everybody finish their question.
func (t *talk) end() {
	t.stop()
	t.wg.Wait()
}
