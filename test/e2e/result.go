package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// result is what a run came to.
type result struct {
	plan     plan
	began    time.Time
	took     time.Duration
	events   []event
	report   ledger.Report
	acks     crowd.Latency
	replies  crowd.Latency
	tries    int // deliveries by the platform
	computed int // answers that the model was asked for
	shares   []string
	disorder []error // nodes that did not end well
}

// termWithin is how long a node without work may take to leave.
const termWithin = 40 * time.Second

func (r *result) finish(ctx context.Context, c *cast, people *crowd.Crowd) {
	r.took = time.Since(r.began)
	list := people.Messages()
	r.acks, r.replies = crowd.Acks(list), crowd.Replies(list)
	for _, m := range list {
		r.tries += m.Tries
	}
	r.report = people.Check(c.company.Window)
	if s, err := c.model.Stats(ctx); err == nil {
		r.computed = s.Ended + s.Running
	}
	for _, n := range append(append([]*rig.Node{}, c.clients...), c.servers...) {
		name, label := "parley_turns_total", "turns since its start"
		if strings.HasPrefix(n.Name, "server") {
			name, label = "parley_rpc_server_completions_total", "completions since its start"
		}
		if m, err := n.Metrics(ctx); err == nil {
			u := n.Usage()
			r.shares = append(r.shares, fmt.Sprintf("%-10s %6.0f %s, %s CPU, %d MB at most",
				n.Name, m.Sum(name), label, u.CPU.Round(10*time.Millisecond), u.Peak>>20))
		}
	}
	for _, n := range append(append([]*rig.Node{}, c.clients...), c.servers...) {
		if err := n.Term(termWithin); err != nil {
			r.disorder = append(r.disorder, err)
		}
	}
}

func (r *result) ok() bool {
	return r.report.OK() && r.report.Asked == r.plan.conversations*r.plan.turns && len(r.disorder) == 0
}

// String is the table for a person.
func (r *result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d conversations of %d turns in %s (seed %d)\n", r.plan.conversations, r.plan.turns, r.took.Round(time.Second), r.plan.seed)
	for _, e := range r.events {
		fmt.Fprintf(&b, "  after %6s  %s\n", e.at.Round(100*time.Millisecond), e.what)
	}
	fmt.Fprintf(&b, "ledger\n%s", r.report)
	fmt.Fprintf(&b, "  %-18s %7d (%d more than messages)\n", "deliveries", r.tries, r.tries-r.report.Asked)
	fmt.Fprintf(&b, "  %-18s %7d (%d more than messages: turns that were begun again)\n", "computed", r.computed, r.computed-r.report.Asked)
	fmt.Fprintf(&b, "acknowledged after %s\nanswered after     %s\n", r.acks, r.replies)
	for _, s := range r.shares {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for _, err := range r.disorder {
		fmt.Fprintf(&b, "  did not end well: %v\n", err)
	}
	verdict := "PASSED: every message was acknowledged, and answered exactly once, in order, with the right context, to the right person"
	if !r.ok() {
		verdict = "FAILED"
	}
	fmt.Fprintln(&b, verdict)
	return b.String()
}
