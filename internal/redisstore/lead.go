package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	leadFor   = 6 * time.Second // without a renewal
	leadEvery = 1500 * time.Millisecond
	// leadLeft is how long before its end a role that could not be renewed is given up here: nobody else has it before.
	leadLeft = time.Second
)

// Lead implements channel.Leader. A role that f returns from is given back and sought again.
func (s *Store) Lead(ctx context.Context, key string, f func(ctx context.Context)) {
	lock, mine := root+"lock:"+name(key+"/lead"), rand.Text()
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
	ctx, cancel := s.bound(ctx)
	defer cancel()
	err := s.rdb.SetArgs(ctx, lock, mine, redis.SetArgs{Mode: "NX", TTL: leadFor}).Err()
	return err == nil && !errors.Is(err, redis.Nil)
}

// lead runs f and renews the role meanwhile. sure is when it was certainly held.
func (s *Store) lead(ctx context.Context, lock, mine string, sure time.Time, f func(ctx context.Context)) {
	role, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(role)
	}()
	tick := time.NewTicker(leadEvery)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-role.Done():
			over = true
		case <-tick.C:
			asked := time.Now()
			v, err := s.run(role, "extend", s.scripts.extend, lock, mine, millis(leadFor))
			switch {
			case err == nil && number(v) == 1:
				sure = asked
			case err == nil, time.Since(sure) > leadFor-leadLeft:
				over = true
			}
		}
	}
	end()
	<-done
	_, _ = s.run(context.WithoutCancel(ctx), "unlock", s.scripts.drop, lock, mine)
}
