package crowd

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Latency is a distribution of times.
type Latency struct {
	N   int           `json:"n"`
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// Summarize sorts its argument.
func Summarize(times []time.Duration) Latency {
	slices.Sort(times)
	return Latency{N: len(times), P50: quantile(times, 0.50), P90: quantile(times, 0.90), P99: quantile(times, 0.99), Max: quantile(times, 1)}
}

// quantile is the nearest rank: a time that was measured, never one between two. sorted may be empty.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func (l Latency) String() string {
	return fmt.Sprintf("p50 %s  p90 %s  p99 %s  max %s", ms(l.P50), ms(l.P90), ms(l.P99), ms(l.Max))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// Acks gives the time from when each message was due to its 200.
func Acks(list []Message) Latency {
	return between(list, func(m Message) time.Time { return m.Acked })
}

// Replies gives the time from when each message was due to its answer being shown.
func Replies(list []Message) Latency {
	return between(list, func(m Message) time.Time { return m.Answered })
}

func between(list []Message, end func(Message) time.Time) Latency {
	var times []time.Duration
	for _, m := range list {
		if !end(m).IsZero() {
			times = append(times, end(m).Sub(m.Due))
		}
	}
	return Summarize(times)
}

// Lates gives the time from when each message was due to its first post: how late the load itself was.
func Lates(list []Message) Latency {
	return between(list, func(m Message) time.Time { return m.Begun })
}
