package fleet

import (
	"context"
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
