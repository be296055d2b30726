package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// event is something that befell a part.
type event struct {
	What string        `json:"what"` // kill, stop, term, distrust, cut, hole, reset, slow, drip
	Part string        `json:"part"`
	At   time.Time     `json:"at"`
	Gone time.Duration `json:"gone_ns"` // until it was whole again
	Left time.Duration `json:"left_ns"` // of term: until it had ended
}

// lane strikes a kind of part, one at a time. Lanes strike independently of each other.
type lane struct {
	name     string
	victims  []*victim
	wires    []*wire
	acts     []string      // drawn from, so a name twice is twice as likely
	first    time.Duration // at the earliest
	min, max time.Duration // between two strikes
	longest  time.Duration // a part is stopped, or a wire fails
}

// strikes runs lanes and keeps what they did.
type strikes struct {
	log func(format string, args ...any)

	mu     sync.Mutex
	events []event
	errs   []error
}

func (s *strikes) note(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

func (s *strikes) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// run strikes along all lanes until the time ends, and returns when every part is whole again, or ctx has ended.
func (s *strikes) run(ctx, until context.Context, seed uint64, lanes []lane) error {
	var wg sync.WaitGroup
	for i, l := range lanes {
		random := rand.New(rand.NewPCG(seed, uint64(100+i)))
		wg.Go(func() { s.along(ctx, until, random, l) })
	}
	wg.Wait()
	return s.result(ctx)
}

// result is all that went wrong.
func (s *strikes) result(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(append(s.errs, ctx.Err())...)
}

func (s *strikes) along(ctx, until context.Context, random *rand.Rand, l lane) {
	pause(until, l.first)
	for until.Err() == nil {
		pause(until, between(random, l.min, l.max))
		// Everything is drawn before anything is looked at, so that a seed plans the same whatever comes of it.
		act, long, gap := l.acts[random.IntN(len(l.acts))], short(random, l.longest), between(random, 0, 3*time.Second)
		n := random.IntN(max(len(l.victims), len(l.wires)))
		if until.Err() != nil {
			return
		}
		if len(l.wires) > 0 {
			s.spoil(until, random, l.wires[n], act, long)
		} else {
			s.strike(ctx, until, l.victims[n], act, long, gap)
		}
	}
}

// between draws a time.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)+1))
}

// short draws a time from half a second to the longest, rather short than long.
func short(random *rand.Rand, longest time.Duration) time.Duration {
	x := random.Float64()
	return time.Second/2 + time.Duration(x*x*float64(longest-time.Second/2))
}

func (s *strikes) spoil(until context.Context, random *rand.Rand, w *wire, act string, long time.Duration) {
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	e := event{What: act, Part: w.name, At: time.Now()}
	s.log("the wire %s: %s for %s", w.name, act, long.Round(10*time.Millisecond))
	if err := w.spoil(until, act, random, long); err != nil {
		s.failed(err)
	}
	e.Gone = time.Since(e.At)
	s.note(e)
}

// strike does something to a process and has it whole again, unless somebody else is at it.
func (s *strikes) strike(ctx, until context.Context, v *victim, act string, long, gap time.Duration) {
	if !v.mu.TryLock() {
		return
	}
	defer v.mu.Unlock()
	s.struck(ctx, until, v, act, long, gap)
}

// struck does it, to its end also when time is over. v.mu is held.
func (s *strikes) struck(ctx, until context.Context, v *victim, act string, long, gap time.Duration) {
	if !v.alive() {
		s.failed(fmt.Errorf("%s ended by itself", v.name))
	}
	e := event{What: act, Part: v.name, At: time.Now()}
	switch act {
	case "stop":
		v.pause()
		s.log("%s is stopped for %s", v.name, long.Round(10*time.Millisecond))
		pause(until, long)
		v.resume()
	case "distrust":
		s.log("%s refuses all that is sent for %s", v.name, long.Round(10*time.Millisecond))
		err := v.distrust(ctx)
		pause(until, long)
		if err := errors.Join(err, v.trust(ctx)); err != nil {
			s.failed(err)
		}
	case "freeze": // and then killed: whatever was being said to it is cut off
		v.pause()
		pause(until, min(long, time.Second))
		e.What, e.At = "kill", time.Now()
		v.kill()
		s.log("%s was stopped, and is killed", v.name)
		pause(until, gap)
		s.back(ctx, v)
	case "kill":
		v.kill()
		s.log("%s is killed", v.name)
		pause(until, gap)
		s.back(ctx, v)
	case "term":
		s.log("%s is told to end", v.name)
		if err := v.term(); err != nil {
			s.failed(err)
		}
		e.Left = time.Since(e.At)
		s.back(ctx, v)
	}
	e.Gone = time.Since(e.At)
	s.note(e)
}

func (s *strikes) back(ctx context.Context, v *victim) {
	if err := v.revive(ctx); err != nil && ctx.Err() == nil {
		s.failed(fmt.Errorf("%s came not back: %w", v.name, err))
		return
	}
	s.log("%s is back", v.name)
}
