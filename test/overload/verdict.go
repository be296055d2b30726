package main

import (
	"errors"
	"fmt"
	"time"
)

// bars are what figures are held to; zero durations and shares are not held. That nothing is lost, doubled or failed, and that limits hold, is
// held always.
type bars struct {
	Kept     float64       `json:"goodput_kept"`
	Ack      time.Duration `json:"ack_p99_ns"`       // of acks
	Deadline time.Duration `json:"ack_max_ns"`       // under overload: the platform's
	BurstAck time.Duration `json:"burst_ack_p99_ns"` // of the burst
	Told     time.Duration `json:"reply_max_ns"`     // of the burst, from the acknowledgement
	Worse    float64       `json:"others_p99_worse"`
}

var fullBars = bars{Kept: 0.9, Ack: 100 * time.Millisecond, Deadline: 5 * time.Second, BurstAck: time.Second, Told: time.Minute, Worse: 0.2}

// verdict is an error that lists every bar that is missed.
func (r *report) verdict() error {
	var wrong []error
	bad := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	over := func(d, bar time.Duration) bool { return bar > 0 && d > bar }
	b := r.Bars
	for name, g := range map[string]*goodputResult{"goodput": r.Goodput, "refusals": r.Refusals} {
		if g == nil {
			continue
		}
		for _, l := range g.Levels {
			bad(len(l.Sum.faults()) > 0, "%s at %d times: %q", name, l.Times, l.Sum.faults())
			bad(over(l.Sum.Ack.Max, b.Deadline), "%s at %d times: an acknowledgement took %s", name, l.Times, l.Sum.Ack.Max)
			bad(l.Sum.Replies[answered] == 0, "%s at %d times: nobody was answered", name, l.Times)
		}
		bad(g.Kept < b.Kept, "%s: %.0f %% of the peak is left at %d times the capacity, %.0f %% is the bar", name, 100*g.Kept, g.Times[len(g.Times)-1], 100*b.Kept)
		bad(!g.Unknown && g.Most > g.Places, "%s: %d calls at once, %d are allowed", name, g.Most, g.Places)
	}
	if f := r.Fairness; f != nil {
		bad(len(f.Faults) > 0, "fairness: %q", f.Faults)
		bad(b.Worse > 0 && f.Worse > b.Worse, "fairness: the others' p99 is %.0f %% worse, %.0f %% is the bar", 100*f.Worse, 100*b.Worse)
	}
	if x := r.Burst; x != nil {
		bad(len(x.Sum.faults()) > 0, "burst: %q", x.Sum.faults())
		bad(over(x.Waited.Max, b.Told), "burst: somebody waited %s for a reply, %s is the bar", x.Waited.Max, b.Told)
		bad(over(x.Sum.Ack.P99, b.BurstAck), "burst: acknowledgements p99 %s, %s is the bar", x.Sum.Ack.P99, b.BurstAck)
		bad(x.Sum.Replies[answered] == 0 || x.Sum.Replies["crowded"] == 0, "burst: want some answered and some told at once, got %s", x.Sum.told())
	}
	if l := r.Limits; l != nil {
		bad(len(l.Flight.faults())+len(l.Rate.faults()) > 0, "limits: %q", append(l.Flight.faults(), l.Rate.faults()...))
		bad(l.Most > l.InFlight, "limits: %d turns in flight, %d are allowed", l.Most, l.InFlight)
		bad(l.Most < l.InFlight, "limits: %d turns in flight, %d were allowed and people waited", l.Most, l.InFlight)
		bad(l.Answered[0] != l.PerMinute || l.Answered[1] != l.PerMinute, "limits: people were answered %d to %d times in a minute, want %d", l.Answered[0], l.Answered[1], l.PerMinute)
		for i, n := range l.Served {
			bad(n == 0, "limits: replica %d took no message, so nothing is shown", i+1)
		}
	}
	if a := r.Acks; a != nil {
		bad(len(a.Sum.faults()) > 0, "acks: %q", a.Sum.faults())
		bad(over(a.Sum.Ack.P99, b.Ack), "acks: p99 %s, %s is the bar", a.Sum.Ack.P99, b.Ack)
	}
	return errors.Join(wrong...)
}
