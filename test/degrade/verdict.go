package main

import (
	"errors"
	"fmt"
	"time"
)

// bounds are what figures are held to. That no turn fails is held always.
type bounds struct {
	Switch time.Duration `json:"last_on_old_p99_ns"`
	Ratio  float64       `json:"calls_per_turn"` // of a storm, over both providers
}

// verdict is an error that lists everything out of bounds.
func (r *report) verdict() error {
	var wrong []error
	bad := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	if s := r.Switches; s != nil {
		bad(s.Failed > 0 || len(s.Faults) > 0, "switches: %d turns failed; faults: %q", s.Failed, s.Faults)
		bad(s.Moved == 0 || s.OnSecond == 0 || s.Running == 0, "switches: no load: %d turns of the switched tenant, %d on the target, %d at a switch", s.Moved, s.OnSecond, s.Running)
		bad(s.Unseen*10 > s.All.Last.N, "switches: %d were not seen by any turn, only %d were", s.Unseen, s.All.Last.N)
		bad(s.All.Last.P99 > r.Bounds.Switch, "switches: p99 %s to the last turn on the old provider, %s is the bound", s.All.Last.P99, r.Bounds.Switch)
	}
	if y := r.Young; y != nil {
		bad(y.Failed > 0 || len(y.Faults) > 0, "young: %d turns failed; faults: %q", y.Failed, y.Faults)
		for _, s := range []switched{y.New, y.Known} {
			bad(s.Last.N == 0, "young: %s: no turn saw the switch", s.Of)
			bad(s.Last.P99 > r.Bounds.Switch, "young: %s: p99 %s to the last turn on the old provider, %s is the bound", s.Of, s.Last.P99, r.Bounds.Switch)
		}
	}
	if s := r.Storm; s != nil {
		bad(s.Failed > 0 || s.Turns == 0, "storm: %d of %d turns failed; faults: %q", s.Failed, s.Turns, s.Faults)
		bad(s.Most > 3, "storm: a turn cost %d calls, 3 are the most", s.Most)
		bad(s.Settled < 0, "storm: turns did not return to the first provider within %s", s.Recovery)
		bad(s.Opened < 0, "storm: not every server said that the breaker was open")
		bad(s.ThenRatio > r.Bounds.Ratio, "storm: %.3f calls a turn after the breakers opened, %.1f are the most", s.ThenRatio, r.Bounds.Ratio)
		bad(s.Ratio > r.Bounds.Ratio, "storm: %.3f calls a turn in all, %.1f are the most", s.Ratio, r.Bounds.Ratio)
	}
	if k := r.Keys; k != nil {
		for _, f := range k.Fleets {
			bad(f.Failed > 0, "keys, %d servers: %d people were not answered; faults: %q", f.Servers, f.Failed, f.Faults)
			bad(len(f.Most) != 1, "keys, %d servers: the provider saw %d keys, want 1", f.Servers, len(f.Most))
			for _, most := range f.Most {
				bad(most != k.Limit, "keys, %d servers: %d calls at once with one key, want exactly %d", f.Servers, most, k.Limit)
			}
		}
	}
	if o := r.Outage; o != nil {
		bad(o.Failed > 0 || o.Turns == 0, "outage: %d of %d turns were wrong: %q", o.Failed, o.Turns, o.Faults)
		bad(o.Refused != 3, "outage: %d of 3 servers refused the faulty document", o.Refused)
	}
	return errors.Join(wrong...)
}
