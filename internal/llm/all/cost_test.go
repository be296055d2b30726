package all_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
	"parley/internal/route"
	simllm "parley/internal/sim/llm"
	"parley/internal/telemetry"
)

// benchModel names, for this binary run as a program, how long its model thinks.
const benchModel = "PARLEY_BENCH_MODEL"

// serveModel answers 600 characters in 20 pieces until its input ends.
func serveModel(first time.Duration) {
	text := essay(600, 5)
	url, stop, err := simllm.New(simllm.Options{Pace: simllm.Pace{First: first, Chunks: 20}, Answer: func([]simllm.Message) string { return text }}).Start()
	if err != nil {
		panic(err)
	}
	defer stop()
	fmt.Println(url)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// model starts the model in a process of its own, so that what is measured here is a server's part alone.
func model(b *testing.B, first time.Duration) (url string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchModel+"="+first.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	url, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}

func service(b *testing.B, url string) *llm.Service {
	b.Helper()
	table, err := route.Parse([]byte("providers:\n  p: {dialect: openai, base_url: '"+url+"/v1', http2: prior-knowledge}\nmodels: {chat: [p/gpt-4o-mini]}\n"),
		route.Options{Revision: "r", Outbound: []string{url}, Dialects: all.Names()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := llm.New(llm.Options{Table: func() *route.Table { return table }, Dialects: all.Dialects(), Telemetry: telemetry.Discard()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

// essay is a text of so many Chinese characters without repetition.
func essay(chars, from int) string {
	var b strings.Builder
	for i := range chars {
		if i%17 == 16 {
			b.WriteRune('，')
			continue
		}
		b.WriteRune(rune(0x4e00 + (from*7919+i*i*31+i*101)%5000))
	}
	return b.String()
}

// asked is a request with a history of 20 turns, their answers of 600 characters, all of it of its own as if it came over the wire.
func asked(n int) chat.Request {
	r := chat.Request{Tenant: "acme", Conversation: "c", Turn: fmt.Sprint("t", n), Attempt: 1, Model: "chat", System: "你是一家公司的助手，回答要简短。",
		Question: essay(20, n), User: "u7", MaxOutput: 2000}
	for i := range 20 {
		r.History = append(r.History, chat.Turn{Question: strings.Clone(essays[i][:60]), Answer: strings.Clone(essays[i]), QuestionTokens: 30, AnswerTokens: 800})
	}
	return r
}

var essays = func() (list [20]string) {
	for i := range list {
		list[i] = essay(600, i)
	}
	return list
}()

// BenchmarkComplete is a whole turn of a server but for its own caller: full history, the provider over HTTP/2, an answer of 600 characters in
// 20 pieces. cpu-µs/op is this process alone.
func BenchmarkComplete(b *testing.B) {
	for _, deltas := range []bool{false, true} {
		b.Run(fmt.Sprintf("deltas=%v", deltas), func(b *testing.B) {
			s, req := service(b, model(b, 0)), asked(0)
			req.Deltas = deltas
			b.ReportAllocs()
			b.SetParallelism(16)
			before := cpu()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Complete(b.Context(), req, func(chat.Event) error { return nil }); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWaiting is the memory of a turn whose model thinks, its request with 41 kB of history included.
func BenchmarkWaiting(b *testing.B) {
	const turns = 3000
	s := service(b, model(b, 10*time.Minute))
	for b.Loop() {
		before := memory()
		ctx, cancel := context.WithCancel(b.Context())
		var started, ended sync.WaitGroup
		for n := range turns {
			started.Add(1)
			ended.Go(func() {
				_ = s.Complete(ctx, asked(n), func(e chat.Event) error {
					if e.Kind == chat.Started {
						started.Done()
					}
					return nil
				})
			})
		}
		started.Wait()
		for s.Providers()[0].InFlight < turns {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(3 * time.Second) // all bodies are sent
		after := memory()
		b.ReportMetric(float64(after.heap-before.heap)/turns, "heap-B/turn")
		b.ReportMetric(float64(after.stack-before.stack)/turns, "stack-B/turn")
		b.ReportMetric(float64(after.goroutines-before.goroutines)/turns, "goroutines/turn")
		cancel()
		ended.Wait()
	}
}

type used struct {
	heap, stack uint64
	goroutines  int
}

func memory() used {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return used{m.HeapAlloc, m.StackInuse, runtime.NumGoroutine()}
}
