// Command llmsim is the simulated model of whole-program tests: an OpenAI-compatible API whose answers are made from the question and
// the whole context (ledger.Answer), so that a ledger can tell a right answer from any other.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"parley/internal/sim/llm"
	"parley/test/ledger"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address, HTTP/1.1 and h2c")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sim := llm.New(llm.Options{Answer: answer})
	if err := sim.Run(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "llmsim:", err)
		os.Exit(1)
	}
}

func answer(messages []llm.Message) string {
	context := make([]ledger.Line, len(messages))
	for i, m := range messages {
		context[i] = ledger.Line{Role: m.Role, Text: m.Content}
	}
	return ledger.Answer(context)
}
