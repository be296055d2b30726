// Command bench measures Parley as whole programs on this machine: client services and servers, a real Redis that fsyncs every write, a real
// Nacos, a simulated WeCom and a simulated model, all over loopback. It prints one table, and the same as JSON. docs/performance.md says how
// to read it.
//
//	go run ./test/bench                      everything, about twenty minutes
//	go run ./test/bench -only messages       as many messages as get through, with an instant model; with both settings of appendfsync
//	go run ./test/bench -only callbacks      300 callbacks a second, open loop, against the bare accept script
//	go run ./test/bench -only openai         the OpenAI-compatible API against a plain reverse proxy
//	go run ./test/bench -only flight         100,000 turns at once
//	go run ./test/bench -only weight         a message's CPU with 500 turns in flight and with 50,000
//	go run ./test/bench -only traces         what it costs to send traces to a collector
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
	"runtime"
	"strings"
	"syscall"
	"time"

	"parley/test/figures"
)

// bench holds the sizes.
type bench struct {
	messages  messages
	callbacks callbacks
	openai    openai
	flight    flight
	weight    weight
	traces    traces
	delta     delta
	fsync     []string // of messages; all else fsyncs always
	programs  string   // a folder of rig.Build's; empty: they are built
	keep      bool
	log       io.Writer
}

func main() {
	if isFloor() {
		return
	}
	// What is never touched takes no memory, and keeps collections of this process rare: it shares the cores with what it measures.
	ballast := make([]byte, 256<<20)
	defer runtime.KeepAlive(ballast)
	b := bench{log: os.Stderr}
	only, out := b.flags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := b.run(ctx, strings.Split(only, ","))
	stop()
	if r != nil {
		if werr := figures.Write(r.table(), r, out); werr != nil {
			err = werr
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: FAILED:", err)
		os.Exit(1)
	}
}

// flags reads the sizes; what is wrong ends the program.
func (b *bench) flags() (only, out string) {
	var crew crew
	var profiles profiles
	flag.StringVar(&only, "only", "messages,callbacks,openai,flight,weight,traces,delta", "which to run")
	flag.StringVar(&out, "json", "", "file for the JSON; default: after the table")
	flag.BoolVar(&b.keep, "keep", false, "leave the logs behind")
	flag.StringVar(&profiles.dir, "profiles", "", "folder for profiles of all Go processes (not of delta)")
	flag.IntVar(&crew.Clients, "clients", 0, "client services; 0: one, for flight and weight two")
	flag.IntVar(&crew.Servers, "servers", 0, "servers; 0: one, for flight and weight two")
	history := flag.Int("history", 20, "messages, callbacks: turns that everybody had before")
	chars := flag.Int("chars", 600, "messages, callbacks: characters of an answer")
	chunks := flag.Int("chunks", 20, "messages, callbacks, openai: pieces of an answer")
	fsync := flag.String("fsync", "always,everysec", "messages: what Redis is set to")
	flag.IntVar(&b.messages.People, "talkers", 5000, "messages: people who talk in turn")
	flag.IntVar(&b.messages.AtOnce, "open", 100, "messages: questions open at once")
	flag.DurationVar(&b.messages.For, "talk", time.Minute, "messages: how long")
	flag.IntVar(&b.callbacks.Rate, "rate", 300, "callbacks: a second")
	flag.DurationVar(&b.callbacks.For, "for", time.Minute, "callbacks: how long")
	flag.IntVar(&b.callbacks.People, "people", 3000, "callbacks: who speak in turn")
	flag.IntVar(&b.openai.AtOnce, "callers", 32, "openai: callers of the closed loop")
	flag.IntVar(&b.openai.Rate, "api-rate", 50, "openai: requests a second of the open loop")
	flag.DurationVar(&b.openai.For, "api-for", 10*time.Second, "openai: how long each way is measured with each kind of request in each loop")
	b.flight.flags()
	b.weight.flags()
	b.traces.flags()
	flag.IntVar(&b.delta.Rate, "delta-rate", 50, "delta: turns a second")
	flag.DurationVar(&b.delta.For, "delta-for", 30*time.Second, "delta: how long each way is measured")
	flag.Parse()
	b.messages.crew, b.callbacks.crew, b.openai.crew, b.flight.crew = crew.or(1), crew.or(1), crew.or(1), crew.or(2)
	b.messages.profiles, b.callbacks.profiles, b.openai.profiles, b.flight.profiles = profiles, profiles, profiles, profiles
	b.messages.History, b.messages.Chars, b.messages.Chunks = *history, *chars, *chunks
	b.callbacks.History, b.callbacks.Chars, b.callbacks.Chunks, b.openai.Chunks = *history, *chars, *chunks, *chunks
	b.traces.messages = b.messages
	b.fsync, b.flight.Chars = strings.Split(*fsync, ","), *chars
	b.weight.flight = b.flight.at(b.weight.Rate)
	least := min(b.messages.Clients, b.messages.Servers, b.messages.People, b.messages.AtOnce, b.callbacks.Rate, b.callbacks.People, b.openai.AtOnce, b.openai.Rate, b.delta.Rate)
	if flag.NArg() > 0 || least < 1 || b.flight.wrong() || b.weight.wrong() || b.traces.wrong() {
		flag.Usage()
		os.Exit(2)
	}
	if profiles.dir != "" {
		if err := os.MkdirAll(profiles.dir, 0o755); err != nil { // not after an hour of measuring
			fmt.Fprintln(os.Stderr, "bench: -profiles:", err)
			os.Exit(2)
		}
	}
	return only, out
}
