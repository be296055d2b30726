package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// waits simulates one Redis master with `appendfsync always`: steps arrive at random, its one thread carries out all that came, then waits
// once for the disk, then answers them all. It gives how long answers take at the median and at the 99th percentile. The seed is fixed:
// the same figures come each time.
func waits(busy float64, step, sync time.Duration) (p50, p99 time.Duration) {
	dice := rand.New(rand.NewPCG(1, 2))
	const n = 200_000
	gap := step.Seconds() / busy // between arrivals, on average
	arrivals := make([]float64, n)
	for t, i := 0.0, 0; i < n; i++ {
		t += dice.ExpFloat64() * gap
		arrivals[i] = t
	}
	took := make([]float64, 0, n)
	now := 0.0
	for i := 0; i < n; {
		now = max(now, arrivals[i])
		j := i
		for j < n && arrivals[j] <= now {
			j++
		}
		now += float64(j-i)*step.Seconds() + sync.Seconds()
		for ; i < j; i++ {
			took = append(took, now-arrivals[i])
		}
	}
	slices.Sort(took)
	at := func(q float64) time.Duration { return time.Duration(took[int(q*n)] * float64(time.Second)) }
	return at(0.5), at(0.99)
}
