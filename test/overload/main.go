// Command overload offers Parley more than it can carry and holds it to what people see then: two replicas of a client service and two
// servers as processes, a real Redis that fsyncs every write, a real Nacos, and a simulated model, in a process of its own, that allows a
// number of calls at once. So capacity is a known figure, that number by an answer's time, and not what this machine has left.
//
//	go run ./test/overload                   everything, about fifteen minutes
//	go run ./test/overload -only goodput     one, two and three times the capacity
//	go run ./test/overload -only refusals    the same, where the routes do not say what the model allows: it answers 429
//	go run ./test/overload -only fairness    one of twenty tenants at ten times its quota
//	go run ./test/overload -only burst       100,000 people in five minutes, the model at a third of that
//	go run ./test/overload -only limits      limits of a person and of a tenant, over replicas
//	go run ./test/overload -only acks        1,000 callbacks a second
//
// It prints one table, and the same as JSON, and ends with status 0 only if every bar is met. The people, the simulated WeCom and this program
// are one process; it shares the cores with what it measures. Without PARLEY_TEST_NACOS it starts a Nacos of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"parley/test/figures"
	"parley/test/rig"
)

// plan is one run: what to measure, how much, and the bars.
type plan struct {
	goodput  goodput
	fairness fairness
	burst    burst
	limits   limits
	acks     acks
	bars     bars
	only     []string
	keep     bool
	log      io.Writer
}

// report is what a run prints.
type report struct {
	Machine  figures.Run     `json:"run"`
	Bars     bars            `json:"bars"`
	Goodput  *goodputResult  `json:"goodput,omitempty"`
	Refusals *goodputResult  `json:"refusals,omitempty"`
	Fairness *fairnessResult `json:"fairness,omitempty"`
	Burst    *burstResult    `json:"burst,omitempty"`
	Limits   *limitsResult   `json:"limits,omitempty"`
	Acks     *acksResult     `json:"acks,omitempty"`
}

// parts are all that can be measured, in their order.
var parts = []string{"goodput", "refusals", "fairness", "burst", "limits", "acks"}

func main() {
	p := plan{bars: fullBars, log: os.Stderr,
		goodput: goodput{Times: []int{1, 2, 3}}, limits: limits{InFlight: 5, PerMinute: 3, People: 64, Answer: time.Second}, fairness: fairness{Tenants: 20, Quota: 10, Share: 0.3, Phases: 4}}
	flag.IntVar(&p.goodput.Places, "places", 60, "goodput: calls at once that the model allows")
	flag.DurationVar(&p.goodput.Answer, "answer", time.Second, "goodput: how long one answer takes")
	flag.DurationVar(&p.goodput.For, "for", time.Minute, "goodput: how long each level is offered")
	flag.DurationVar(&p.fairness.For, "phase", 20*time.Second, "fairness: how long each of its phases lasts")
	flag.IntVar(&p.burst.People, "people", 100_000, "burst: who write once each")
	flag.DurationVar(&p.burst.Within, "within", 5*time.Minute, "burst: the time in which they write")
	flag.IntVar(&p.acks.Rate, "rate", 1000, "acks: callbacks a second")
	flag.DurationVar(&p.acks.For, "acks", time.Minute, "acks: how long")
	flag.BoolVar(&p.keep, "keep", false, "leave the logs behind")
	only := flag.String("only", strings.Join(parts, ","), "which to run")
	out := flag.String("json", "", "file for the JSON; default: after the table")
	flag.Parse()
	p.only = strings.Split(*only, ",")
	unknown := func(part string) bool { return !slices.Contains(parts, part) }
	if flag.NArg() > 0 || p.goodput.Places < 1 || p.burst.People < 30 || p.acks.Rate < 1 || slices.ContainsFunc(p.only, unknown) {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := p.run(ctx)
	stop()
	if r != nil {
		if werr := figures.Write(r.table(), r, *out); werr != nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "overload: FAILED:", err)
		os.Exit(1)
	}
}

// run makes the measurements one after another. Its report holds those that were made; the error says which bar is missed, or what broke.
func (p plan) run(ctx context.Context) (r *report, err error) {
	g, err := rig.New(ctx, rig.Options{Keep: p.keep, Log: p.log})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.Keep()
		}
		g.Close()
	}()
	r = &report{Machine: figures.Begin(ctx), Bars: p.bars}
	t, err := newTown(ctx, g, p.tenants())
	if err != nil {
		return r, err
	}
	for _, part := range parts {
		if !slices.Contains(p.only, part) {
			continue
		}
		if err := p.measure(ctx, part, t, r); err != nil {
			return r, fmt.Errorf("%s: %w", part, err)
		}
	}
	r.Machine.End()
	return r, r.verdict()
}

// tenants are those of the parts that are run, by name, with the limits in their documents.
func (p plan) tenants() map[string]string {
	all := map[string]string{}
	for _, part := range p.only {
		switch part {
		case "goodput":
			all["goodput"] = p.goodput.document()
		case "refusals":
			all["refusals"] = p.goodput.document()
		case "fairness":
			for i := range p.fairness.Tenants {
				all[p.fairness.tenant(i)] = p.fairness.document()
			}
		case "burst":
			all["burst"] = p.burst.document()
		case "limits":
			for name, doc := range p.limits.documents() {
				all[name] = doc
			}
		case "acks":
			all["acks"] = p.acks.document()
		}
	}
	return all
}

func (p plan) measure(ctx context.Context, part string, t *town, r *report) (err error) {
	switch part {
	case "goodput":
		r.Goodput, err = p.goodput.run(ctx, t)
	case "refusals":
		again := p.goodput
		again.Unknown = true
		r.Refusals, err = again.run(ctx, t)
	case "fairness":
		r.Fairness, err = p.fairness.run(ctx, t)
	case "burst":
		r.Burst, err = p.burst.run(ctx, t)
	case "limits":
		r.Limits, err = p.limits.run(ctx, t)
	case "acks":
		r.Acks, err = p.acks.run(ctx, t)
	}
	return err
}
