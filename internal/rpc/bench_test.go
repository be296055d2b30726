package rpc

import (
	"context"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/chat"
)

// chunks is a handler that sends as fast as it can. Deltas would be gathered; each Started goes out.
type chunks int

func (n chunks) Complete(_ context.Context, _ chat.Request, emit func(chat.Event) error) error {
	for range n {
		if err := emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "openai", Model: "gpt-4o", Revision: "0123456789abcdef"}}); err != nil {
			return err
		}
	}
	return finish(emit, "done")
}

// BenchmarkRPC measures client and server together, in one process over loopback: cpu-us is the processor time of both for one call.
func BenchmarkRPC(b *testing.B) {
	s := serve(b, ServerOptions{Handler: chunks(20)})
	c := dialDirect(b, s.Addr())
	b.Run("stream of 20", func(b *testing.B) {
		measure(b, func() error {
			_, err := ask(context.Background(), c, "q")
			return err
		})
	})
	one := serve(b, ServerOptions{Handler: chunks(1)})
	direct := dialDirect(b, one.Addr())
	b.Run("stream of 1", func(b *testing.B) {
		measure(b, func() error {
			_, err := ask(context.Background(), direct, "q")
			return err
		})
	})
	a := newAuthority(b)
	secure := serve(b, ServerOptions{Handler: chunks(20), TLS: a.issue("server", loopbackServer)})
	mutual := dial(b, ClientOptions{TLS: a.issue("client", tenants("*")), Registry: Registry{Mode: ModeDirect, Direct: []string{secure.Addr()}}})
	awaitUp(b, mutual, secure.Addr())
	b.Run("stream of 20, mTLS", func(b *testing.B) {
		measure(b, func() error {
			_, err := ask(context.Background(), mutual, "q")
			return err
		})
	})
}

func measure(b *testing.B, call func() error) {
	b.ReportAllocs()
	b.SetParallelism(32)
	begin := cpu()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-us/op")
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkSelect(b *testing.B) {
	p, _ := pretend(b, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	b.ReportAllocs()
	for b.Loop() {
		leastStreams{}.Select(p.List(nil), nil)
	}
}

// open is a keeper that lets everybody in.
type open struct{}

func (open) Hold(ctx context.Context, _ KeyAsk, granted func() error) error {
	if err := granted(); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (open) Rest(KeyRest) error { return nil }

// BenchmarkHold measures what one call with a limited key costs besides: asking its keeper on another server for a hold, and giving it back.
func BenchmarkHold(b *testing.B) {
	s := serve(b, ServerOptions{Handler: chunks(1), Keys: open{}})
	c := dialDirect(b, s.Addr())
	b.Run("one after the other", func(b *testing.B) {
		begin := cpu()
		for b.Loop() {
			holdOnce(b, c, s.Addr())
		}
		b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-us/op")
	})
	b.Run("many at once", func(b *testing.B) {
		measure(b, func() error {
			holdOnce(b, c, s.Addr())
			return nil
		})
	})
}

func holdOnce(b *testing.B, c *Client, addr string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := c.Hold(ctx, addr, KeyAsk{Key: "k", Limit: 1}, cancel); chat.KindOf(err) != chat.Canceled {
		b.Error(err)
	}
}

// BenchmarkHeld measures the memory of a hold while it lasts, on both ends together.
func BenchmarkHeld(b *testing.B) {
	s := serve(b, ServerOptions{Handler: chunks(1), Keys: open{}})
	c := dialDirect(b, s.Addr())
	const held = 5000
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		before := inUse()
		var granted, ended sync.WaitGroup
		for range held {
			granted.Add(1)
			ended.Go(func() { _ = c.Hold(ctx, s.Addr(), KeyAsk{Key: "k", Limit: held}, granted.Done) })
		}
		granted.Wait()
		b.ReportMetric(float64(inUse()-before)/held, "bytes/hold")
		cancel()
		ended.Wait()
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
