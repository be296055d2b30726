package main

import (
	"fmt"
	"time"

	"parley/test/figures"
)

// goal is a figure to be reached, and whether it was.
type goal struct {
	What     string `json:"what"`
	Measured string `json:"measured"`
	Reached  bool   `json:"reached"`
}

func goalRows(sh *figures.Sheet, list []goal) {
	for _, g := range list {
		reached := "reached"
		if !g.Reached {
			reached = "NOT REACHED"
		}
		sh.Row(g.What, "%s: %s", g.Measured, reached)
	}
}

// Goals in memory are kilobytes a turn, those in CPU microseconds.
const (
	clientGoal = 60
	serverGoal = 80
	ackGoal    = time.Second
	ratioGoal  = 1.3

	rateGoal   = 1000
	chainGoal  = 1000
	replyGoal  = 50 * time.Millisecond
	bareGoal   = 2
	plainGoal  = 300
	streamGoal = 400
	firstGoal  = time.Millisecond

	tracesGoal = 3
)

func (m *messagesResult) goals() []goal {
	list := []goal{m.Asked.goal("messages, " + m.Fsync)}
	if m.Fsync != "always" {
		return list
	}
	return append(list,
		goal{fmt.Sprintf("messages: ≥ %d a second", rateGoal), fmt.Sprintf("%.0f", m.PerSecond), m.PerSecond >= rateGoal},
		goal{fmt.Sprintf("messages: ≤ %d µs of CPU, the chain's", chainGoal), fmt.Sprintf("%.0f µs", m.Chain), m.Chain <= chainGoal})
}

func (c *callbacksResult) goals() []goal {
	ratio := float64(c.Ack.P99) / float64(max(1, c.Bare.P99))
	return []goal{
		c.Asked.goal("callbacks"),
		{fmt.Sprintf("reply p99 ≤ %s at %d/s", replyGoal, c.Rate), short(c.Reply.P99), c.Reply.P99 <= replyGoal},
		{fmt.Sprintf("200 p99 ≤ %d × bare accept's", bareGoal), fmt.Sprintf("%.2f × (%s and %s)", ratio, short(c.Ack.P99), short(c.Bare.P99)), ratio <= bareGoal},
	}
}

func (o *openaiResult) goals() []goal {
	cpu := func(stream bool) float64 {
		c := o.of(parley, stream, false).CPU
		return c["client"] + c["server"]
	}
	added := o.of(parley, true, true).First.P50 - o.of(direct, true, true).First.P50
	return []goal{
		{fmt.Sprintf("openai: ≤ %d µs a plain request", plainGoal), fmt.Sprintf("%.0f µs", cpu(false)), cpu(false) <= plainGoal},
		{fmt.Sprintf("openai: ≤ %d µs a stream of %d chunks", streamGoal, o.Chunks), fmt.Sprintf("%.0f µs", cpu(true)), cpu(true) <= streamGoal},
		{fmt.Sprintf("openai: first text ≤ +%s p50 at %d/s", firstGoal, o.Rate), "+" + short(added), added <= firstGoal},
	}
}

func (f *flightResult) goals() []goal {
	memory := func(kind string, most float64) goal {
		kb := f.Memory[kind].PerTurn / 1000
		return goal{fmt.Sprintf("flight: ≤ %.0f kB a turn in the %s", most, kind), fmt.Sprintf("%.1f kB", kb), kb <= most}
	}
	return []goal{
		f.Asked.goal("flight"),
		{fmt.Sprintf("flight: %d at once", f.Turns), fmt.Sprint(f.AtOnce), f.AtOnce >= f.Turns},
		{fmt.Sprintf("flight: 200 p99 ≤ %s", ackGoal), short(f.Ack.P99), f.Ack.P99 <= ackGoal && f.Asked.Unacked == 0},
		memory("client", clientGoal), memory("server", serverGoal),
	}
}

func (w *weightResult) goals() []goal {
	return []goal{
		w.Asked.goal("weight"),
		{fmt.Sprintf("CPU with %d ≤ %.1f × with %d", w.weight.Many, ratioGoal, w.weight.Few), fmt.Sprintf("%.2f ×", w.Ratio), w.Ratio <= ratioGoal},
	}
}

func (t *tracesResult) goals() []goal {
	return []goal{
		t.Asked.goal("traces"),
		{fmt.Sprintf("traces: ≤ %d %% of CPU, the chain's", tracesGoal), fmt.Sprintf("%+.1f %%", t.Chain), t.Chain <= tracesGoal},
	}
}

// goals: what it adds is told, and has no bar.
func (d *deltaResult) goals() []goal { return nil }

func (c ledgerCounts) goal(mode string) goal {
	return goal{mode + ": 0 lost, doubled, misdirected", fmt.Sprintf("%d, %d, %d; other faults %d", c.Lost, c.Doubled, c.Misdirected,
		c.Faults-c.Lost-c.Doubled-c.Misdirected), c.Faults == 0}
}
