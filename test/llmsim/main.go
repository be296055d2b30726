// Command llmsim is the simulated model of whole-program tests: one vendor's API whose answers are made from the question and the whole
// context (ledger.Answer), so that a ledger can tell a right answer from any other. See internal/sim/llm for its controls.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	_ "net/http/pprof" // registers on http.DefaultServeMux, which only -debug serves
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"unicode/utf8"

	"parley/internal/sim/llm"
	"parley/test/ledger"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address, HTTP/1.1 and h2c")
	vendor := flag.String("vendor", string(llm.OpenAI), fmt.Sprint("whose API it is: one of ", llm.Vendors()))
	keys := flag.String("keys", "", "keys accepted, separated by commas; none: any")
	long := flag.Int("long", 0, "every so many-th question of a person gets an answer of several parts; 0: none")
	chars := flag.Int("chars", 0, "characters that each answer is long, at least")
	o := llm.Options{Answer: func(m []llm.Message) string { return answer(m, *long, *chars) }}
	flag.IntVar(&o.Limits.Default.Concurrency, "concurrency", 0, "calls at once per key; 0: any number")
	flag.IntVar(&o.Limits.Default.Requests, "requests", 0, "requests a minute per key; 0: any number")
	flag.IntVar(&o.Limits.Default.Tokens, "tokens", 0, "tokens a minute per key; 0: any number")
	flag.IntVar(&o.Window, "window", 0, "tokens of a request at most; 0: any number")
	profile := flag.String("debug", "", "address for pprof; empty: none")
	flag.Parse()
	var err error
	if o.Vendor, err = llm.ParseVendor(*vendor); err == nil && flag.NArg() > 0 {
		err = fmt.Errorf("takes flags only, not %q", flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "llmsim:", err)
		flag.Usage()
		os.Exit(2)
	}
	if *keys != "" {
		o.Keys = strings.Split(*keys, ",")
	}
	// What is never touched takes no memory, and keeps collections rare in small runs.
	ballast := make([]byte, 128<<20)
	defer runtime.KeepAlive(ballast)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *profile != "" {
		go func() { fmt.Fprintln(os.Stderr, "llmsim:", http.ListenAndServe(*profile, nil)) }()
	}
	if err := llm.New(o).Run(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "llmsim:", err)
		os.Exit(1)
	}
}

// sentence is what answers are made longer of: text as models write it.
const sentence = "以下是要点说明，请按实际情况核对后使用。\n"

// longLines make an answer of about 5 KB.
const longLines = 40

func answer(messages []llm.Message, long, chars int) string {
	context := make([]ledger.Line, len(messages))
	for i, m := range messages {
		context[i] = ledger.Line{Role: m.Role, Text: m.Content}
	}
	text := ledger.Answer(context)
	if id, ok := ledger.Answered(text); ok && long > 0 && id.N%long == 0 {
		text += ledger.Padding(id, longLines)
	}
	if n := utf8.RuneCountInString(text); n < chars {
		text += strings.Repeat(sentence, (chars-n)/utf8.RuneCountInString(sentence)+1)
	}
	return text
}
