package fleet

import (
	"context"
	"strconv"
	"testing"
)

// BenchmarkHold measures a hold and its release on a server that keeps the key itself.
func BenchmarkHold(b *testing.B) {
	f := New(Options{Self: "10.0.0.1:20880"})
	b.ReportAllocs()
	for b.Loop() {
		release, err := f.Hold(context.Background(), testKey, 5, true)
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
}

func BenchmarkKeeperOf(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		all := servers(n)
		b.Run(all[n-1], func(b *testing.B) {
			for b.Loop() {
				keeperOf(testKey, all)
			}
		})
	}
}

// A call that does not wait is refused as cheaply beside a long line as beside none.
func BenchmarkTryBesideALine(b *testing.B) {
	for _, waiting := range []int{0, 9000} {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			f := New(Options{Self: "a:1"})
			f.mu.Lock()
			for range waiting + 1 {
				f.kept.ask(KeyAsk{Key: testKey, Limit: 1})
			}
			f.mu.Unlock()
			for b.Loop() {
				if _, err := f.Hold(b.Context(), testKey, 1, false); err == nil {
					b.Fatal("over the limit")
				}
			}
		})
	}
}
