// Command degrade proves the operator's switch, and what happens by itself, with whole programs: server processes, a real Nacos, and two
// simulated providers in processes of their own, whose ledgers say which turn reached whom and when. This program is the client services'
// part: it asks every server over Triple directly, so that each figure is of one server, and it never tries a turn again.
//
//	go run ./test/degrade                    everything, about six minutes
//	go run ./test/degrade -only switches     50 switches to and fro under 300 turns a second
//	go run ./test/degrade -only young        publishing to servers that are a second old
//	go run ./test/degrade -only storm        a provider that answers errors only, and recovers
//	go run ./test/degrade -only keys         a key's limit over one server and over four
//	go run ./test/degrade -only outage       a restart, a faulty document, and the loss of Nacos while the switch is on
//
// It prints one table, and the same as JSON, and ends with status 0 only if no turn failed and every figure is within its bound. Without
// PARLEY_TEST_NACOS it starts a Nacos of its own, and kills it in the end.
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

// plan is one run: what to measure, how much, and the bounds.
type plan struct {
	switches switches
	young    young
	storm    storm
	keys     keys
	outage   outage
	bounds   bounds
	only     []string
	keep     bool
	log      io.Writer
}

// report is what a run prints.
type report struct {
	Machine  figures.Run     `json:"run"`
	Seed     uint64          `json:"seed"`
	Bounds   bounds          `json:"bounds"`
	Switches *switchesResult `json:"switches,omitempty"`
	Young    *youngResult    `json:"young,omitempty"`
	Storm    *stormResult    `json:"storm,omitempty"`
	Keys     *keysResult     `json:"keys,omitempty"`
	Outage   *outageResult   `json:"outage,omitempty"`
}

// parts are all that can be measured, in their order: the outage ends Nacos.
var parts = []string{"switches", "young", "storm", "keys", "outage"}

func main() {
	p := plan{log: os.Stderr, switches: switches{Gap: 1500 * time.Millisecond, Ways: ways}, young: young{Rate: 100}, outage: outage{Rate: 50}}
	flag.IntVar(&p.switches.Rate, "rate", 300, "switches: turns a second, over three servers")
	flag.IntVar(&p.switches.Number, "switches", 50, "switches: publications, to and fro")
	flag.DurationVar(&p.switches.Settle, "settle", 10*time.Second, "switches: how long servers run before the first")
	flag.IntVar(&p.young.Rounds, "rounds", 4, "young: rounds with new servers")
	flag.IntVar(&p.storm.Rate, "storm-rate", 50, "storm: turns a second")
	flag.DurationVar(&p.storm.For, "storm", time.Minute, "storm: how long the provider answers errors only")
	flag.DurationVar(&p.storm.Recovery, "recovery", 45*time.Second, "storm: how long its return is watched")
	flag.IntVar(&p.keys.Limit, "limit", 5, "keys: calls at once that a key allows")
	flag.IntVar(&p.keys.People, "people", 120, "keys: who ask at once")
	flag.IntVar(&p.outage.Restarts, "restarts", 3, "outage: servers killed and started again while the switch is on")
	flag.DurationVar(&p.outage.Without, "without-nacos", 20*time.Second, "outage: how long turns go on without Nacos")
	flag.DurationVar(&p.bounds.Switch, "within", time.Second, "the bound of publish to last turn on the old provider, p99")
	flag.Float64Var(&p.bounds.Ratio, "ratio", 1.2, "the bound of calls a turn in a storm, over both providers")
	flag.BoolVar(&p.keep, "keep", false, "leave the logs behind")
	only := flag.String("only", strings.Join(parts, ","), "which to run")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of pauses and choices; what the processes make of them differs")
	out := flag.String("json", "", "file for the JSON; default: after the table")
	flag.Parse()
	p.only, p.switches.Seed, p.keys.Seed = strings.Split(*only, ","), *seed, *seed
	unknown := func(part string) bool { return !slices.Contains(parts, part) }
	if flag.NArg() > 0 || p.switches.Rate < 30 || p.switches.Number < 1 || p.keys.Limit < 1 || slices.ContainsFunc(p.only, unknown) {
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
		fmt.Fprintln(os.Stderr, "degrade: FAILED:", err)
		os.Exit(1)
	}
}

// run makes the measurements one after another. Its report holds those that were made; the error says what is out of bounds, or what broke.
func (p plan) run(ctx context.Context) (r *report, err error) {
	n, err := findNacos(ctx)
	if err != nil {
		return nil, err
	}
	defer n.end()
	g, err := rig.New(ctx, rig.Options{Keep: p.keep, Log: p.log, Nacos: n.direct})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.Keep()
		}
		g.Close()
	}()
	g.Logf("seed %d: -seed %d repeats this plan", p.switches.Seed, p.switches.Seed)
	r = &report{Machine: figures.Begin(ctx),
		Seed: p.switches.Seed, Bounds: p.bounds}
	r.Machine.Nacos = g.Nacos.Version(ctx)
	s, err := newStage(ctx, g, n)
	if err != nil {
		return r, err
	}
	for _, part := range parts {
		if !slices.Contains(p.only, part) {
			continue
		}
		if err := p.measure(ctx, part, s, r); err != nil {
			return r, fmt.Errorf("%s: %w", part, err)
		}
	}
	r.Machine.End()
	return r, r.verdict()
}

func (p plan) measure(ctx context.Context, part string, s *stage, r *report) (err error) {
	switch part {
	case "switches":
		r.Switches, err = p.switches.run(ctx, s)
	case "young":
		r.Young, err = p.young.run(ctx, s)
	case "storm":
		r.Storm, err = p.storm.run(ctx, s)
	case "keys":
		r.Keys, err = p.keys.run(ctx, s)
	case "outage":
		r.Outage, err = p.outage.run(ctx, s)
	}
	return err
}
