package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"parley/test/crowd"
	"parley/test/figures"
	"parley/test/rig"
)

// plan is one run.
type plan struct {
	rate  int
	calm  time.Duration
	shots string
	seed  uint64
	keep  bool
	log   io.Writer
}

// quiet is how long nothing more may come after the last answer: longer than a lease and a redelivery, which would bring second answers.
const quiet = 8 * time.Second

// run lives the day. Its result holds what was done; the error says what broke, or what is not as it must be.
func (p plan) run(ctx context.Context) (res *result, err error) {
	r, err := rig.New(ctx, rig.Options{Keep: p.keep, Log: p.log})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.Keep()
		}
		r.Close()
	}()
	res = &result{Machine: figures.Begin(ctx), Seed: p.seed, Rate: p.rate}
	res.Machine.Nacos = r.Nacos.Version(ctx)
	people := crowd.New()
	s, err := raise(ctx, r, p, people)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return res, err
	}
	talk := s.talk(ctx)
	failed := s.live(ctx, res)
	talk.end()
	settling, done := context.WithTimeout(ctx, 2*time.Minute)
	people.Settle(settling, quiet)
	done()
	res.judge(ctx, s)
	res.Machine.End()
	return res, errors.Join(failed, res.verdict())
}

// live goes through the hours of the day, with some time between them.
func (s *stage) live(ctx context.Context, res *result) error {
	for _, h := range s.hours() {
		began := time.Now()
		s.rig.Logf("%s", h.name)
		note, err := h.do(ctx)
		step := step{Name: h.name, Note: note, Took: time.Since(began).Seconds()}
		if err != nil {
			step.Note = err.Error()
			res.Steps = append(res.Steps, step)
			return fmt.Errorf("%s: %w", h.name, err)
		}
		s.pause(ctx)
		step.hours(s.people.Since(began))
		res.Steps = append(res.Steps, step)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (s *stage) pause(ctx context.Context) {
	select {
	case <-time.After(s.plan.calm):
	case <-ctx.Done():
	}
}
