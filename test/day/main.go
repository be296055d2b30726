// Command day is an operator's day against whole programs and real parts: two client services behind one entry, servers that come and go, a
// real Redis, a real Nacos, two simulated model vendors, a real Prometheus with the alerts of deploy/observability, and the console in a real
// browser. People talk without a pause while the operator adds servers, meets an outage, switches in the console and back, upgrades every
// process, rotates secrets, restarts Redis, and takes servers out again.
//
//	go run ./test/day            about five minutes
//	go run ./test/day -h         load, seed, pictures
//
// It ends with status 0 only if every message was answered once, in order and by a model, and every step did what it is for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"parley/test/figures"
)

func main() {
	p := plan{log: os.Stderr}
	flag.IntVar(&p.rate, "rate", 15, "messages a second")
	flag.DurationVar(&p.calm, "calm", 8*time.Second, "how long people talk between two steps")
	flag.StringVar(&p.shots, "shots", filepath.Join(os.TempDir(), "parley-day"), "folder for the console's pictures")
	flag.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "of who says what when")
	flag.BoolVar(&p.keep, "keep", false, "leave the logs behind")
	limit := flag.Duration("limit", 15*time.Minute, "the whole run's end")
	out := flag.String("json", "", "file for the JSON; default: after the table")
	flag.Parse()
	if flag.NArg() > 0 || p.rate < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, *limit)
	r, err := p.run(ctx)
	cancel()
	stop()
	if r != nil {
		if werr := figures.Write(r.table(), r, *out); werr != nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "day: FAILED:", err)
		os.Exit(1)
	}
}
