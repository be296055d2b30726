// Command chaos proves that nothing accepted is lost and nothing is shown twice, whatever dies: a real Redis that fsyncs every write, a real
// Nacos, three client services of two tenants, three servers, simulators of WeCom and of a model's API, each a process of its own, with a
// proxy that cuts, swallows and slows on every wire between them. While people talk, everything is killed, stopped, told to end, cut off and
// slowed at random, and in the end the ledgers of people, platform and model are compared.
//
//	go run ./test/chaos                     three minutes
//	go run ./test/chaos -for 1h -rate 40    a long one
//	go run ./test/chaos -plant all          faults planted into the product: each must be found
//	go run ./test/chaos -rolling            nothing is struck: every process is restarted in good order, in turn
//	go run ./test/chaos -old HEAD~1         that revision's binary and this one's share everything, and processes go from one to the other and back
//
// It ends with status 0 only if every acknowledged message had exactly one reply, in order, with the right context, or an apology whose
// reason a log tells; and with -plant only if every fault was found. The logs are kept otherwise.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// plants are the faults that a binary with the tag "planted" can be told to have, by PARLEY_PLANT.
var plants = []string{"fence", "ack", "dedupe", "commit"}

func main() {
	p := plan{manners: manners{turns: 6, patience: 30 * time.Second}}
	flag.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "of who talks how, and what is struck when")
	flag.DurationVar(&p.length, "for", 2*time.Minute, "how long people talk and parts are struck")
	flag.Float64Var(&p.rate, "rate", 40, "messages a second")
	flag.IntVar(&p.manners.eager, "eager", 20, "percent of people who write on after the acknowledgement, without waiting for the answer")
	flag.IntVar(&p.manners.burst, "burst", 5, "percent of people who write all at once")
	flag.IntVar(&p.manners.stops, "stops", 5, "percent of questions followed by a stop command")
	flag.IntVar(&p.manners.chatty, "chatty", 4, "people besides who write more at once than WeCom lets an application answer in a minute")
	flag.DurationVar(&p.settle, "settle", 3*time.Minute, "after it everybody must have their replies")
	flag.BoolVar(&p.keep, "keep", false, "leave the logs behind")
	only := flag.String("only", strings.Join(parts, ","), "what to strike; none: nothing")
	flag.DurationVar(&p.takeover, "takeover", lease+2*time.Second, "the bound of a killed client's turns running elsewhere, p99, where nothing else is amiss")
	plant := flag.String("plant", "", "plant a fault into the product, which must be found: "+strings.Join(plants, ", ")+", or all of them")
	flag.BoolVar(&p.rolling, "rolling", false, "strike nothing: restart every process in good order, in turn, over and over")
	flag.StringVar(&p.old, "old", "", "a git revision whose binary shares everything with this one's: processes are upgraded and rolled back while they are struck")
	out := flag.String("json", "", "file for the result as JSON")
	flag.Parse()
	faults := plants
	if *plant != "all" {
		faults = []string{*plant}
	}
	struck := strings.Split(*only, ",")
	unknown := func(part string) bool { return part != "none" && !slices.Contains(parts, part) }
	if flag.NArg() > 0 || slices.ContainsFunc(struck, unknown) || p.rate <= 0 || p.length < time.Second || p.manners.eager+p.manners.burst > 100 ||
		*plant != "" && *plant != "all" && !slices.Contains(plants, *plant) || oneOf(p.rolling, p.old != "", *plant != "") > 1 {
		flag.Usage()
		os.Exit(2)
	}
	p.only = func(lane string) bool { return slices.Contains(struck, lane) }
	p.nacos = os.Getenv("PARLEY_TEST_NACOS")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := runAll(ctx, p, faults, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: FAILED:", err)
		os.Exit(1)
	}
}

func oneOf(chosen ...bool) (n int) {
	for _, c := range chosen {
		if c {
			n++
		}
	}
	return n
}

// parts are the kinds of part that can be struck; see lanes.
var parts = []string{"clients", "servers", "redis", "nacos", "wires", "wecom", "llm"}

// runAll makes one run for each fault to plant; the empty one is the product as it is.
func runAll(ctx context.Context, p plan, faults []string, out string) error {
	var results []*result
	var missed []string
	for _, fault := range faults {
		p.plant = fault
		if fault != "" {
			p.manners.patience, p.manners.chatty, p.settle = 5*time.Second, 0, min(p.settle, 90*time.Second) // what is lost is not waited for long
		}
		r, err := p.run(ctx, os.Stderr)
		if err != nil {
			return err
		}
		fmt.Print(r)
		results = append(results, r)
		if fault != "" {
			fmt.Printf("planted fault %s: found: %v\n", fault, !r.ok())
		}
		if r.ok() != (fault == "") {
			missed = append(missed, fault)
		}
	}
	if out != "" {
		b, err := json.MarshalIndent(results, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(out, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	switch {
	case len(missed) == 0:
		return nil
	case p.plant == "":
		return fmt.Errorf("see above; seed %d", p.seed)
	}
	return fmt.Errorf("planted and not found: %s", strings.Join(missed, ", "))
}
