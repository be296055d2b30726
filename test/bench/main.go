// Command bench measures Parley as whole programs on this machine: one client service and one server (flight and weight: several), a real Redis that fsyncs every
// write, a real Nacos, a simulated WeCom and a simulated model, all over loopback. It prints one table, and the same as JSON.
//
//	go run ./test/bench                      everything, about fifteen minutes
//	go run ./test/bench -only messages       as many messages as get through, with an instant model
//	go run ./test/bench -only callbacks      300 callbacks a second, open loop
//	go run ./test/bench -only flight         100,000 turns at once
//	go run ./test/bench -only weight         a message's CPU with 500 turns in flight and with 50,000
//	go run ./test/bench -only delta          what the chain adds to a model's first delta
//
// The people, the simulated WeCom and this program are one process; it shares the cores with what it measures.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"parley/test/figures"
	"parley/test/rig"
)

// bench holds the sizes.
type bench struct {
	messages  messages
	callbacks callbacks
	flight    flight
	weight    weight
	delta     delta
	keep      bool
	log       io.Writer
}

// report is what a run prints.
type report struct {
	Machine   figures.Run      `json:"run"`
	Messages  *messagesResult  `json:"messages,omitempty"`
	Callbacks *callbacksResult `json:"callbacks,omitempty"`
	Flight    *flightResult    `json:"flight,omitempty"`
	Weight    *weightResult    `json:"weight,omitempty"`
	Delta     *deltaResult     `json:"delta,omitempty"`
}

func main() {
	b := bench{log: os.Stderr}
	flag.IntVar(&b.messages.People, "talkers", 3000, "messages: people who talk in turn")
	flag.IntVar(&b.messages.AtOnce, "open", 100, "messages: questions open at once")
	flag.DurationVar(&b.messages.For, "talk", 30*time.Second, "messages: how long")
	flag.IntVar(&b.messages.History, "history", 20, "messages: turns that everybody had before")
	flag.IntVar(&b.messages.Chars, "chars", 600, "messages: characters of an answer")
	flag.IntVar(&b.messages.Chunks, "chunks", 20, "messages: pieces of an answer")
	flag.IntVar(&b.callbacks.Rate, "rate", 300, "callbacks: a second")
	flag.DurationVar(&b.callbacks.For, "for", time.Minute, "callbacks: how long")
	flag.IntVar(&b.callbacks.People, "people", 3000, "callbacks: who speak in turn")
	b.flight.flags()
	b.weight.flags()
	flag.IntVar(&b.delta.Rate, "delta-rate", 50, "delta: turns a second")
	flag.DurationVar(&b.delta.For, "delta-for", 30*time.Second, "delta: how long each way is measured")
	flag.BoolVar(&b.keep, "keep", false, "leave the logs behind")
	flag.StringVar(&b.callbacks.profiles.dir, "profiles", "", "an existing folder for profiles of the client and the server (messages, callbacks)")
	only := flag.String("only", "messages,callbacks,flight,weight,delta", "which to run")
	out := flag.String("json", "", "file for the JSON; default: after the table")
	flag.Parse()
	b.messages.profiles, b.flight.profiles = b.callbacks.profiles, b.callbacks.profiles
	b.flight.Chars = b.messages.Chars
	b.weight.flight = b.flight.at(b.weight.Rate)
	if flag.NArg() > 0 || b.callbacks.Rate < 1 || b.callbacks.People < 1 || b.delta.Rate < 1 || b.flight.wrong() || b.weight.wrong() {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := b.run(ctx, strings.Split(*only, ","))
	stop()
	if r != nil {
		if werr := figures.Write(r.table(), r, *out); werr != nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: FAILED:", err)
		os.Exit(1)
	}
}

// run makes the measurements one after another, each with a rig of its own. Its report holds those that were made.
func (b bench) run(ctx context.Context, only []string) (*report, error) {
	r := &report{Machine: figures.Begin(ctx)}
	for _, name := range only {
		var measure func(context.Context, *rig.Rig) error
		switch name {
		case "messages":
			measure = func(ctx context.Context, g *rig.Rig) (err error) {
				r.Messages, err = b.messages.run(ctx, g)
				return err
			}
		case "callbacks":
			measure = func(ctx context.Context, g *rig.Rig) (err error) {
				r.Callbacks, err = b.callbacks.run(ctx, g)
				return err
			}
		case "flight":
			measure = func(ctx context.Context, g *rig.Rig) (err error) { r.Flight, err = b.flight.run(ctx, g); return err }
		case "weight":
			measure = func(ctx context.Context, g *rig.Rig) (err error) { r.Weight, err = b.weight.run(ctx, g); return err }
		case "delta":
			measure = func(ctx context.Context, g *rig.Rig) (err error) { r.Delta, err = b.delta.run(ctx, g); return err }
		default:
			return nil, fmt.Errorf("-only: there is no %q; choose from messages, callbacks, flight, weight, delta", name)
		}
		err := b.with(ctx, func(ctx context.Context, g *rig.Rig) error {
			r.Machine.Nacos = g.Nacos.Version(ctx)
			return measure(ctx, g)
		})
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	r.Machine.End()
	return r, r.verdict()
}

func (b bench) with(ctx context.Context, measure func(context.Context, *rig.Rig) error) error {
	g, err := rig.New(ctx, rig.Options{Keep: b.keep, Log: b.log})
	if err != nil {
		return err
	}
	defer g.Close()
	return measure(ctx, g)
}

// verdict is an error if a ledger shows a fault. Times are for people to judge.
func (r *report) verdict() error {
	var wrong []string
	if m := r.Messages; m != nil && m.Faults != 0 {
		wrong = append(wrong, fmt.Sprintf("messages: %d faults in the ledger", m.Faults))
	}
	if c := r.Callbacks; c != nil && c.Faults != 0 {
		wrong = append(wrong, fmt.Sprintf("callbacks: %d faults in the ledger", c.Faults))
	}
	if f := r.Flight; f != nil && f.Asked.Faults != 0 {
		wrong = append(wrong, fmt.Sprintf("flight: %d faults in the ledger", f.Asked.Faults))
	}
	if w := r.Weight; w != nil && w.Asked.Faults != 0 {
		wrong = append(wrong, fmt.Sprintf("weight: %d faults in the ledger", w.Asked.Faults))
	}
	if d := r.Delta; d != nil && d.Failed != 0 {
		wrong = append(wrong, fmt.Sprintf("delta: %d turns failed", d.Failed))
	}
	if wrong != nil {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return nil
}
