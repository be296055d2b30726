// Command e2e runs the whole product through its hardest ordinary day and judges it by a ledger: a real Redis, a real Nacos, two client
// services of one tenant behind one entry and three servers, as separate processes; people who talk through a simulated WeCom, some
// without waiting for answers; and meanwhile a client and a server are killed with kill -9 and come back, and a server is added.
//
//	go run ./test/e2e            1,000 conversations of 3 turns, about two minutes
//	go run ./test/e2e -h         sizes, seed, calm runs
//
// It ends with status 0 only if every message was acknowledged, and answered exactly once, in order, with the right context, to the
// right person.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	p := plan{}
	flag.IntVar(&p.conversations, "conversations", 1000, "people, each with one conversation")
	flag.IntVar(&p.turns, "turns", 3, "messages of each")
	flag.DurationVar(&p.spread, "spread", 40*time.Second, "people begin within this time")
	flag.DurationVar(&p.patience, "patience", 45*time.Second, "how long an answer is waited for")
	flag.IntVar(&p.eager, "eager", 20, "percent of people who write on after the acknowledgement, without waiting for the answer")
	flag.IntVar(&p.burst, "burst", 5, "percent of people who write all at once")
	flag.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "of who does what, and when")
	flag.BoolVar(&p.calm, "calm", false, "kill nobody")
	flag.BoolVar(&p.keep, "keep", false, "leave the logs behind")
	limit := flag.Duration("limit", 5*time.Minute, "the whole run's end")
	flag.Parse()
	if flag.NArg() > 0 || p.conversations < 1 || p.turns < 1 || p.eager+p.burst > 100 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, *limit)
	r, err := p.run(ctx, os.Stderr)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: FAILED:", err)
		os.Exit(1)
	}
	fmt.Print(r)
	if !r.ok() {
		fmt.Fprintln(os.Stderr, "e2e: FAILED: see above")
		os.Exit(1)
	}
}
