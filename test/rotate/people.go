package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"parley/test/ledger"
)

// period is how often a person asks: Parley's own pace towards one member is a reply in 4 s.
const period = 5 * time.Second

// patience is how long an answer may take before it counts as lost.
const patience = 90 * time.Second

// talk lets so many people ask that the rate (messages a second) comes about, until what it gives is called; that returns when all they asked is
// answered.
func (s *stage) talk(ctx context.Context, rate int) (end func()) {
	until, stop := context.WithCancel(ctx)
	var people sync.WaitGroup
	for i := range rate * int(period/time.Second) {
		people.Go(func() { s.converse(ctx, until, fmt.Sprintf("p%d", i)) })
	}
	return func() {
		stop()
		people.Wait()
	}
}

func (s *stage) converse(ctx, until context.Context, person string) {
	due := time.Now().Add(rand.N(period))
	for n := 1; ; n++ {
		select {
		case <-time.After(time.Until(due)):
		case <-until.Done():
			return
		}
		id := ledger.ID{Person: person, N: n}
		s.people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, time.Now())
		waiting, done := context.WithTimeout(ctx, patience)
		err := s.people.Await(waiting, id)
		done()
		if err != nil {
			return // the ledger tells
		}
		if due = due.Add(period); due.Before(time.Now()) {
			due = time.Now()
		}
	}
}
