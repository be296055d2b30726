package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"parley/test/figures"
	"parley/test/rig"
)

// report is what a run prints.
type report struct {
	Machine   figures.Run       `json:"run"`
	Messages  []*messagesResult `json:"messages,omitempty"` // one for each setting of appendfsync
	Callbacks *callbacksResult  `json:"callbacks,omitempty"`
	OpenAI    *openaiResult     `json:"openai,omitempty"`
	Flight    *flightResult     `json:"flight,omitempty"`
	Weight    *weightResult     `json:"weight,omitempty"`
	Traces    *tracesResult     `json:"traces,omitempty"`
	Delta     *deltaResult      `json:"delta,omitempty"`
	Goals     []goal            `json:"goals"`
}

// part is what one mode measured.
type part interface {
	rows(sh *figures.Sheet)
	goals() []goal
	fault() string // what a ledger shows, or ""
}

// run makes the measurements one after another, each with a rig of its own. Its report holds those that were made.
func (b bench) run(ctx context.Context, only []string) (*report, error) {
	r := &report{Machine: figures.Begin(ctx)}
	if b.programs == "" {
		dir, err := os.MkdirTemp("", "parley-bench-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		if err := rig.Build(ctx, dir); err != nil {
			return nil, err
		}
		b.programs = dir
	}
	modes := map[string]func() error{
		"messages": func() (err error) {
			for _, fsync := range b.fsync {
				m := b.messages
				m.Fsync = fsync
				err = errors.Join(err, keep(ctx, b, r, fsync, m.run, func(v *messagesResult) { r.Messages = append(r.Messages, v) }))
			}
			return err
		},
		"callbacks": func() error {
			return keep(ctx, b, r, "", b.callbacks.run, func(v *callbacksResult) { r.Callbacks = v })
		},
		"openai": func() error { return keep(ctx, b, r, "", b.openai.run, func(v *openaiResult) { r.OpenAI = v }) },
		"flight": func() error { return keep(ctx, b, r, "", b.flight.run, func(v *flightResult) { r.Flight = v }) },
		"weight": func() error { return keep(ctx, b, r, "", b.weight.run, func(v *weightResult) { r.Weight = v }) },
		"traces": func() (err error) { r.Traces, err = b.traces.run(ctx, b, r); return err },
		"delta":  func() error { return keep(ctx, b, r, "", b.delta.run, func(v *deltaResult) { r.Delta = v }) },
	}
	for _, name := range only {
		if modes[name] == nil {
			return nil, fmt.Errorf("-only: there is no %q; choose from %s", name, strings.Join(slices.Sorted(maps.Keys(modes)), ", "))
		}
	}
	var err error
	for _, name := range only {
		if failed := modes[name](); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
		}
	}
	r.Machine.End()
	for _, p := range r.parts() {
		r.Goals = append(r.Goals, p.goals()...)
	}
	return r, errors.Join(err, r.verdict())
}

// keep measures with a rig of its own and keeps what came of it.
func keep[T any](ctx context.Context, b bench, r *report, fsync string, measure func(context.Context, *rig.Rig) (*T, error), into func(*T)) error {
	return keepWith(ctx, b, r, rig.Options{Fsync: fsync}, measure, into)
}

// keepWith is keep with a rig of its own kind.
func keepWith[T any](ctx context.Context, b bench, r *report, o rig.Options, measure func(context.Context, *rig.Rig) (*T, error), into func(*T)) error {
	o.Keep, o.Log, o.Programs = b.keep, b.log, b.programs
	g, err := rig.New(ctx, o)
	if err != nil {
		return err
	}
	defer g.Close()
	r.Machine.Nacos = g.Nacos.Version(ctx)
	v, err := measure(ctx, g)
	if v != nil && err == nil {
		into(v)
	}
	return err
}

// parts are the modes that were run.
func (r *report) parts() (list []part) {
	for _, m := range r.Messages {
		list = append(list, m)
	}
	if r.Callbacks != nil {
		list = append(list, r.Callbacks)
	}
	if r.OpenAI != nil {
		list = append(list, r.OpenAI)
	}
	if r.Flight != nil {
		list = append(list, r.Flight)
	}
	if r.Weight != nil {
		list = append(list, r.Weight)
	}
	if r.Traces != nil {
		list = append(list, r.Traces)
	}
	if r.Delta != nil {
		list = append(list, r.Delta)
	}
	return list
}

// verdict is an error if a ledger shows a fault. Goals are for people to judge: the machine is seldom one's own.
func (r *report) verdict() error {
	var wrong []string
	for _, p := range r.parts() {
		if f := p.fault(); f != "" {
			wrong = append(wrong, f)
		}
	}
	if wrong != nil {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

func (m *messagesResult) fault() string  { return m.Asked.fault("messages") }
func (c *callbacksResult) fault() string { return c.Asked.fault("callbacks") }
func (f *flightResult) fault() string    { return f.Asked.fault("flight") }
func (w *weightResult) fault() string    { return w.Asked.fault("weight") }
func (t *tracesResult) fault() string    { return t.Asked.fault("traces") }

func (c ledgerCounts) fault(mode string) string {
	if c.Faults == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %d faults in the ledger", mode, c.Faults)
}

func (d *deltaResult) fault() string {
	if d.Failed == 0 {
		return ""
	}
	return fmt.Sprintf("delta: %d turns failed", d.Failed)
}

// fault: what the reverse proxy breaks is not Parley's.
func (o *openaiResult) fault() string {
	for _, w := range o.Ways {
		if w.Way == parley && w.Failed > 0 {
			return fmt.Sprintf("openai: %d requests failed; the first: %s", w.Failed, w.Why)
		}
	}
	return ""
}
