package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/test/crowd"
	"parley/test/figures"
	"parley/test/ledger"
)

// step is what an hour of the day came to.
type step struct {
	Name     string        `json:"name"`
	Note     string        `json:"note"`
	Took     float64       `json:"took_seconds"`
	Messages int           `json:"messages"`
	Repeated int           `json:"delivered_again"` // messages that the platform had to deliver more than once
	Replies  crowd.Latency `json:"replies"`
}

// hours counts what people asked while it was done.
func (s *step) hours(list []crowd.Message) {
	s.Messages, s.Replies = len(list), crowd.Replies(list)
	for _, m := range list {
		if m.Tries > 1 {
			s.Repeated++
		}
	}
}

// result is what a run prints.
type result struct {
	Machine figures.Run   `json:"run"`
	Seed    uint64        `json:"seed"`
	Rate    int           `json:"rate"`
	Steps   []step        `json:"steps"`
	Ledger  ledger.Report `json:"ledger"`
	Acks    crowd.Latency `json:"acks"`
	Replies crowd.Latency `json:"replies"`
	Failed  int           `json:"failed"` // texts that are no answer of a model
	Refused int           `json:"refused"`
	Ended   []string      `json:"did_not_end_well"`
}

// judge asks the ledger, and tells every process to end.
func (r *result) judge(_ context.Context, s *stage) {
	list := s.people.Messages()
	r.Acks, r.Replies = crowd.Acks(list), crowd.Replies(list)
	for _, m := range list {
		if m.Acked.IsZero() {
			r.Refused++
		}
	}
	_, r.Failed = s.people.Open()
	r.Ledger = s.people.Check(window)
	for _, n := range s.nodes() {
		if err := n.Term(termWithin); err != nil {
			r.Ended = append(r.Ended, err.Error())
		}
	}
}

// termWithin is how long a process without work may take to leave.
const termWithin = 40 * time.Second

func (r *result) verdict() error {
	var errs []error
	if !r.Ledger.OK() {
		errs = append(errs, errors.New("the ledger found faults"))
	}
	if r.Ledger.Asked < 10*r.Rate {
		errs = append(errs, fmt.Errorf("only %d messages were asked: nothing is proved", r.Ledger.Asked))
	}
	for what, n := range map[string]int{"texts are no answer of a model": r.Failed, "messages were never acknowledged": r.Refused, "processes did not end well": len(r.Ended)} {
		if n > 0 {
			errs = append(errs, fmt.Errorf("%d %s", n, what))
		}
	}
	return errors.Join(errs...)
}

// table is the result for a person.
func (r *result) table() string {
	t := new(figures.Sheet)
	r.Machine.Head(t, "day")
	t.Row("load", "%d messages a second, %d turns a person, seed %d", r.Rate, turns, r.Seed)
	t.Titlef("the day")
	for _, s := range r.Steps {
		t.Row(s.Name, "%5.1f s, %4d messages, %d delivered again; %s", s.Took, s.Messages, s.Repeated, s.Note)
	}
	t.Titlef("what people saw")
	t.Text(r.Ledger.String())
	t.Row("acknowledged", "%s", r.Acks)
	t.Row("answered", "%s", r.Replies)
	t.Row("no answer", "%d texts, %d messages refused", r.Failed, r.Refused)
	t.List(r.Ended)
	return t.String()
}
