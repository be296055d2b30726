package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/test/figures"
)

func (f *flightResult) rows(sh *figures.Sheet) {
	sh.Titlef("flight: %d turns at %d a second, answered after %s to %s, in %d clients and %d servers", f.Turns, f.Rate, f.Least, f.Most, f.Clients, f.Servers)
	sh.Row("most at once", "%d (posted within %s)", f.AtOnce, f.Posting.Round(10*time.Millisecond))
	sh.Row("answered exactly once, see ledger", "%d; lost %d, doubled %d, misdirected %d, faults %d", f.Asked.Answered, f.Asked.Lost, f.Asked.Doubled,
		f.Asked.Misdirected, f.Asked.Faults)
	sh.Row("the load left late by", "%s", f.Late)
	sh.Row("acknowledged after (from due)", "%s", f.Ack)
	sh.Row("shown after the model's last word by", "%s", f.After)
	for _, name := range slices.Sorted(maps.Keys(f.Memory)) {
		x := f.Memory[name]
		inside := ""
		if x.Most.Heap > 0 {
			inside = fmt.Sprintf("; heap %.1f, stacks %.1f kB, %.1f goroutines a turn", x.HeapTurn/1000, x.StackTurn/1000, x.Goroutines)
		}
		sh.Row("memory of "+name, "%.0f → %.0f MB, %.1f kB a turn%s", mb(x.Idle.RSS), mb(x.Most.RSS), x.PerTurn/1000, inside)
	}
	cpu(sh, f.CPU)
	if len(f.Trouble) > 0 {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(f.Trouble)) {
			list = append(list, fmt.Sprintf("%s %.0f", name, f.Trouble[name]))
		}
		sh.Row("trouble", "%s", strings.Join(list, ", "))
	}
	if f.Asked.Faults > 0 {
		sh.Text(f.Ledger)
	}
}

func (w *weightResult) rows(sh *figures.Sheet) {
	sh.Titlef("weight: %d messages a second with about %d and with about %d turns in flight, in %d clients and %d servers", w.Rate, w.weight.Few, w.weight.Many,
		w.Clients, w.Servers)
	sh.Row("in flight", "%d and %d", w.Few.InFlight, w.Many.InFlight)
	sh.Row("messages measured", "%d and %d", w.Few.Messages, w.Many.Messages)
	for _, name := range slices.Sorted(maps.Keys(w.Few.CPU)) {
		sh.Row("CPU of "+name, "%.0f and %.0f µs a message, %.2f ×", w.Few.CPU[name], w.Many.CPU[name], w.Many.CPU[name]/w.Few.CPU[name])
	}
	sh.Row("CPU of client, server and Redis together", "%.0f and %.0f µs a message, %.2f ×", w.Few.Chain, w.Many.Chain, w.Ratio)
	sh.Row("acknowledged after, with few", "%s", w.Few.Ack)
	sh.Row("acknowledged after, with many", "%s", w.Many.Ack)
	if w.Asked.Faults > 0 {
		sh.Text(w.Ledger)
	}
}
