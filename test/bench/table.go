package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/test/crowd"
	"parley/test/figures"
)

// table is the report for a person.
func (r *report) table() string {
	sh := new(figures.Sheet)
	r.Machine.Head(sh, "bench")
	for _, p := range r.parts() {
		p.rows(sh)
	}
	if len(r.Goals) > 0 {
		sh.Titlef("goals")
		goalRows(sh, r.Goals)
	}
	return sh.String()
}

func (m *messagesResult) rows(sh *figures.Sheet) {
	sh.Titlef("messages: %d people in turn, %d at once, for %s, with %d turns before and answers of %d characters in %d pieces; the model answers at once; "+
		"appendfsync %s; %d client services, %d servers", m.People, m.AtOnce, m.For, m.History, m.Chars, m.Chunks, m.Fsync, m.Clients, m.Servers)
	sh.Row("messages a second", "%.0f (%d in all)", m.PerSecond, m.Messages)
	m.Asked.row(sh)
	sh.Row("acknowledged after", "%s", m.Ack)
	sh.Row("answer shown after", "%s", m.Reply)
	stepRows(sh, m.Steps)
	cpu(sh, m.CPU)
	sh.Row("CPU of client, server and Redis together", "%.0f µs a message", m.Chain)
	m.Asked.text(sh, m.Ledger)
}

func (c *callbacksResult) rows(sh *figures.Sheet) {
	sh.Titlef("callbacks: %d a second for %s from %d people (open loop, in slices of %s), with %d turns before and answers of %d characters in %d pieces; "+
		"the model answers at once; %d client services, %d servers", c.Rate, c.For, c.People, sliceOfCallbacks, c.History, c.Chars, c.Chunks, c.Clients, c.Servers)
	sh.Row("answered 200", "%d of %d, at the first try %d", c.OK, c.Messages, c.FirstTry)
	c.Asked.row(sh)
	sh.Row("the load left late by", "%s", c.Late)
	sh.Row("acknowledged after (from due)", "%s", c.Ack)
	sh.Row("bare accept script at the same rate", "%s", c.Bare)
	sh.Row("answer shown after (from due)", "%s", c.Reply)
	stepRows(sh, c.Steps)
	cpu(sh, c.CPU)
	sh.Row("CPU of client, server and Redis together", "%.0f µs a message", c.Chain)
	c.Asked.text(sh, c.Ledger)
}

func (o *openaiResult) rows(sh *figures.Sheet) {
	for _, open := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			loop, kind := fmt.Sprintf("closed loop, %d callers", o.AtOnce), "plain requests"
			if open {
				loop = fmt.Sprintf("open loop, %d a second", o.Rate)
			}
			if stream {
				kind = fmt.Sprintf("streams of %d chunks", o.Chunks)
			}
			sh.Titlef("openai: %s, %s, each way for %s in slices of %s; the model answers at once", kind, loop, o.For, sliceOfRequests)
			base := o.of(direct, stream, open)
			for _, name := range []string{direct, proxied, parley} {
				w := o.of(name, stream, open)
				sh.Row(name, "%.0f a second (n %d, failed %d)", w.PerSecond, w.Requests, w.Failed)
				sh.Row("  first text", "p50 %s  p99 %s; more than directly: %s, %s", short(w.First.P50), short(w.First.P99),
					short(w.First.P50-base.First.P50), short(w.First.P99-base.First.P99))
				if open { // so few requests cost less than what processes do by themselves
					continue
				}
				var cost []string
				for _, process := range slices.Sorted(maps.Keys(w.CPU)) {
					if w.CPU[process] >= 1 {
						cost = append(cost, fmt.Sprintf("%s %.0f", process, w.CPU[process]))
					}
				}
				sh.Row("  CPU, µs a request", "%s; client and server %.0f", strings.Join(cost, ", "), w.CPU["client"]+w.CPU["server"])
			}
		}
	}
}

func (c ledgerCounts) row(sh *figures.Sheet) {
	sh.Row("answered exactly once, see ledger", "%d; lost %d, doubled %d, misdirected %d, faults %d", c.Answered, c.Lost, c.Doubled, c.Misdirected, c.Faults)
}

// text is the ledger's own words, if it has any.
func (c ledgerCounts) text(sh *figures.Sheet, words string) {
	if c.Faults > 0 {
		sh.Text(words)
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
