package main

import (
	"context"
	"fmt"
	"time"
)

// goodput offers once, twice and three times what the model can answer.
type goodput struct {
	Places    int           `json:"places"`
	Answer    time.Duration `json:"answer_ns"`
	For       time.Duration `json:"for_ns"`
	BusyAfter time.Duration `json:"busy_after_ns"` // of the tenant; 0: the default
	Times     []int         `json:"times"`         // the capacity; the last is held to the peak of all
	Unknown   bool          `json:"unknown"`       // the routes do not say what the model allows: it refuses calls, with a 429
}

func (b goodput) tenant() string {
	if b.Unknown {
		return "refusals"
	}
	return "goodput"
}

type goodputResult struct {
	goodput
	Capacity float64 `json:"capacity_per_s"` // of the model
	Levels   []level `json:"levels"`
	Kept     float64 `json:"kept"` // at the last level, of the peak
	Most     int     `json:"most_at_once"`
	Refused  int     `json:"refused_by_the_model"`
}

type level struct {
	Times   int     `json:"times_capacity"`
	Goodput float64 `json:"goodput_per_s"`
	Sum     sum     `json:"sum"`
}

func (b goodput) document() string {
	if b.BusyAfter > 0 {
		return fmt.Sprintf("busy_after: %s", b.BusyAfter)
	}
	return ""
}

func (b goodput) run(ctx context.Context, t *town) (*goodputResult, error) {
	r := &goodputResult{goodput: b, Capacity: float64(b.Places) / b.Answer.Seconds()}
	known := b.Places
	if b.Unknown {
		known = 0
	}
	if err := t.allow(ctx, b.Places, known, within(b.Answer)); err != nil {
		return nil, err
	}
	before, err := t.refused(ctx)
	if err != nil {
		return nil, err
	}
	peak := 0.0
	for _, times := range b.Times {
		rate := r.Capacity * float64(times)
		t.Logf("%s: %.0f a second, the model answers %.0f", b.tenant(), rate, r.Capacity)
		began := time.Now()
		list := t.offer(ctx, load{n: int(rate * b.For.Seconds()), rate: rate, of: somebody(b.tenant(), fmt.Sprint(b.tenant(), times))})
		if err := t.settle(ctx, list, 2*time.Minute); err != nil {
			return nil, err
		}
		l := level{Times: times, Goodput: t.people.answersBetween(list, began.Add(b.For/4), began.Add(b.For)), Sum: t.people.count(list)}
		r.Levels = append(r.Levels, l)
		peak = max(peak, l.Goodput)
		r.Kept = l.Goodput / peak
	}
	entries, err := t.model.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	r.Most = atOnce(entries)
	r.Refused, err = t.refused(ctx)
	r.Refused -= before
	return r, err
}

// refused is how many calls the model has refused for a limit so far.
func (t *town) refused(ctx context.Context) (n int, err error) {
	keys, err := t.model.Keys(ctx)
	for _, k := range keys {
		n += k.Limited
	}
	return n, err
}

// answersBetween is how many answers a second were shown in a time.
func (p *people) answersBetween(list []*message, from, to time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range list {
		if m.what == answered && m.replied.After(from) && m.replied.Before(to) {
			n++
		}
	}
	return float64(n) / to.Sub(from).Seconds()
}
