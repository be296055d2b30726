package redisstore

import (
	"context"
	"crypto/rand"
	"time"
)

const (
	leadFor   = 6 * time.Second // without a renewal
	leadEvery = 1500 * time.Millisecond
	// leadLeft is how long before its end a role that could not be renewed is given up here: nobody else has it before.
	leadLeft = time.Second
)

// Lead implements channel.Leader. A role that f returns from is given back and sought again.
func (s *Store) Lead(ctx context.Context, key string, f func(ctx context.Context)) {
	lock, mine := lockKey(key+"/lead"), rand.Text()
	for ctx.Err() == nil {
		began := time.Now()
		if s.seize(ctx, lock, mine) {
			s.lead(ctx, lock, mine, began, f)
		}
		select {
		case <-ctx.Done():
		case <-time.After(leadEvery):
		}
	}
}

func (s *Store) seize(ctx context.Context, lock, mine string) bool {
	holder, err := s.run(ctx, "seize", s.scripts.keep, lock, mine, millis(leadFor), 1)
	return err == nil && text(holder) == ""
}

// lead runs f and renews the role meanwhile. sure is when it was certainly held. f's time ends before another's can begin, whatever Redis does.
func (s *Store) lead(ctx context.Context, lock, mine string, sure time.Time, f func(ctx context.Context)) {
	role, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(role)
	}()
	tick, last := time.NewTicker(leadEvery), time.NewTimer(time.Until(sure.Add(leadFor-leadLeft)))
	defer tick.Stop()
	defer last.Stop()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-role.Done():
			over = true
		case <-last.C:
			over = true
		case <-tick.C:
			asked := time.Now()
			bounded, cancel := context.WithDeadline(role, sure.Add(leadFor-leadLeft))
			v, err := s.run(bounded, "extend", s.scripts.extend, lock, mine, millis(leadFor))
			cancel()
			switch {
			case err == nil && number(v) == 1:
				sure = asked
				last.Reset(time.Until(sure.Add(leadFor - leadLeft)))
			case err == nil:
				over = true
			}
		}
	}
	end()
	<-done
	_, _ = s.run(context.WithoutCancel(ctx), "unlock", s.scripts.drop, lock, mine)
}
