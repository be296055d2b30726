package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/test/crowd"
)

// table is the report for a person.
func (r *report) table() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-34s "+format+"\n", append([]any{name}, args...)...)
	}
	m := r.Machine
	fmt.Fprintf(&b, "\nParley %s: go run ./test/bench %s\n", m.Commit, r.Command)
	row("machine", "%d × %s, %s, %s, load average before %s", m.Cores, m.CPU, m.Memory, m.Kernel, m.Load)
	row("with", "%s; Redis %s; Nacos %s; all of it and the load on these cores", m.Go, m.Redis, m.Nacos)
	row("when", "%s, %.0f s in all", r.Began.Format(time.RFC3339), r.Took)
	if c := r.Callbacks; c != nil {
		c.rows(&b, row)
	}
	if i := r.Inflight; i != nil {
		i.rows(&b, row)
	}
	if d := r.Delta; d != nil {
		d.rows(&b, row)
	}
	return b.String()
}

type rowFunc func(name, format string, args ...any)

func (c *callbacksResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\ncallbacks: %d a second for %s from %d people (open loop; the model answers in %s)\n", c.Rate, c.For, c.People, length(c.Model.First, c.Model.Between, c.Model.Chunks))
	row("messages", "%d", c.Messages)
	row("answered 200", "%d, at the first try %d", c.OK, c.FirstTry)
	row("answered exactly once, see ledger", "%d, faults %d", c.Answered, c.Faults)
	row("the load left late by", "%s", c.Late)
	row("acknowledged after (from due)", "%s", c.Ack)
	row("answer shown after (from due)", "%s", c.Reply)
	cpu(row, c.CPU)
	if c.Faults > 0 {
		b.WriteString(c.Ledger)
	}
}

func (i *inflightResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\ninflight: %d turns with answers of %s in one client and one server\n", i.Turns, i.Answer)
	row("most at once", "%d (posted within %s)", i.Most, i.Posting.Round(10*time.Millisecond))
	row("answered exactly once, see ledger", "%d; lost %d, doubled %d, faults %d", i.Answered, i.Lost, i.Doubled, i.Faults)
	row("acknowledged after", "%s", i.Ack)
	row("shown later than an ideal answer by", "%s", i.Over)
	for _, name := range slices.Sorted(maps.Keys(i.Memory)) {
		x := i.Memory[name]
		heap := ""
		if x.HeapMost > 0 {
			heap = fmt.Sprintf("; Go heap %.0f → %.0f MB, %.1f kB a turn", mb(x.HeapIdle), mb(x.HeapMost), float64(x.HeapTurn)/1024)
		}
		row("memory of "+name, "RSS %.0f → %.0f MB, %.1f kB a turn%s", mb(x.Idle), mb(x.Most), float64(x.PerTurn)/1024, heap)
	}
	cpu(row, i.CPU)
	if i.Faults > 0 {
		b.WriteString(i.Ledger)
	}
}

func (d *deltaResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\ndelta: %d turns a second, each way for %s in slices of %s (the model: first delta after %s, whole answer after %s)\n",
		d.Rate, d.For, slice, d.Model.First, length(d.Model.First, d.Model.Between, d.Model.Chunks))
	way := func(name string, l crowd.Latency) { row(name, "%s  (n %d)", l, l.N) }
	way("first delta, bare model", d.BareFirst)
	way("first delta, web page", d.WebFirst)
	way("whole answer, bare model", d.BareWhole)
	way("whole answer, web page", d.WebWhole)
	way("whole answer, WeCom", d.WeCom)
	row("added to the first delta", "p50 %s  p99 %s", d.Added.FirstP50.Round(100*time.Microsecond), d.Added.FirstP99.Round(100*time.Microsecond))
	row("added to the whole answer (WeCom)", "p50 %s  p99 %s", d.Added.WholeP50.Round(100*time.Microsecond), d.Added.WholeP99.Round(100*time.Microsecond))
	row("web turns without a delta, failed", "%d, %d", d.NoDelta, d.Failed)
	cpu(row, d.CPU)
}

func cpu(row rowFunc, cost map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(cost)) {
		row("CPU of "+name, "%.0f µs a message", cost[name])
	}
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// length is how long an answer takes at a pace.
func length(first, between time.Duration, chunks int) time.Duration {
	return first + time.Duration(max(0, chunks-1))*between
}
