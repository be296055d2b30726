package main

import (
	"maps"
	"slices"
	"time"

	"parley/test/crowd"
	"parley/test/figures"
)

// table is the report for a person.
func (r *report) table() string {
	sh := new(figures.Sheet)
	r.Machine.Head(sh, "bench")
	if r.Messages != nil {
		r.Messages.rows(sh)
	}
	if r.Callbacks != nil {
		r.Callbacks.rows(sh)
	}
	if r.Flight != nil {
		r.Flight.rows(sh)
	}
	if r.Weight != nil {
		r.Weight.rows(sh)
	}
	if r.Delta != nil {
		r.Delta.rows(sh)
	}
	return sh.String()
}

func (m *messagesResult) rows(sh *figures.Sheet) {
	sh.Titlef("messages: %d people in turn, %d at once, for %s, with %d turns before and answers of %d characters in %d pieces; the model answers at once",
		m.People, m.AtOnce, m.For, m.History, m.Chars, m.Chunks)
	sh.Row("messages a second", "%.0f (%d in all)", m.PerSecond, m.Messages)
	sh.Row("answered exactly once, see ledger", "%d, faults %d", m.Answered, m.Faults)
	sh.Row("acknowledged after", "%s", m.Ack)
	sh.Row("answer shown after", "%s", m.Reply)
	cpu(sh, m.CPU)
	sh.Row("CPU of client, server and Redis together", "%.0f µs a message", m.Chain)
	if m.Faults > 0 {
		sh.Text(m.Ledger)
	}
}

func (c *callbacksResult) rows(sh *figures.Sheet) {
	sh.Titlef("callbacks: %d a second for %s from %d people (open loop; the model answers in %s)", c.Rate, c.For, c.People, length(c.Model.First, c.Model.Between, c.Model.Chunks))
	sh.Row("messages", "%d", c.Messages)
	sh.Row("answered 200", "%d, at the first try %d", c.OK, c.FirstTry)
	sh.Row("answered exactly once, see ledger", "%d, faults %d", c.Answered, c.Faults)
	sh.Row("the load left late by", "%s", c.Late)
	sh.Row("acknowledged after (from due)", "%s", c.Ack)
	sh.Row("answer shown after (from due)", "%s", c.Reply)
	cpu(sh, c.CPU)
	if c.Faults > 0 {
		sh.Text(c.Ledger)
	}
}

func (d *deltaResult) rows(sh *figures.Sheet) {
	sh.Titlef("delta: %d turns a second, each way for %s in slices of %s (the model: first delta after %s, whole answer after %s)",
		d.Rate, d.For, slice, d.Model.First, length(d.Model.First, d.Model.Between, d.Model.Chunks))
	way := func(name string, l crowd.Latency) { sh.Row(name, "%s  (n %d)", l, l.N) }
	way("first delta, bare model", d.BareFirst)
	way("first delta, web page", d.WebFirst)
	way("whole answer, bare model", d.BareWhole)
	way("whole answer, web page", d.WebWhole)
	way("whole answer, WeCom", d.WeCom)
	sh.Row("added to the first delta", "p50 %s  p99 %s", d.Added.FirstP50.Round(100*time.Microsecond), d.Added.FirstP99.Round(100*time.Microsecond))
	sh.Row("added to the whole answer (WeCom)", "p50 %s  p99 %s", d.Added.WholeP50.Round(100*time.Microsecond), d.Added.WholeP99.Round(100*time.Microsecond))
	sh.Row("web turns without a delta, failed", "%d, %d", d.NoDelta, d.Failed)
	cpu(sh, d.CPU)
}

func cpu(sh *figures.Sheet, cost map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(cost)) {
		sh.Row("CPU of "+name, "%.0f µs a message", cost[name])
	}
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// length is how long an answer takes at a pace.
func length(first, between time.Duration, chunks int) time.Duration {
	return first + time.Duration(max(0, chunks-1))*between
}
