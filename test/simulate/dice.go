package simulate

import (
	"sync"
	"time"
)

// dice is a small deterministic source (splitmix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number in [0, n).
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// share is a number in [0, 1).
func (d *dice) share() float64 { return float64(d.next()>>11) / (1 << 53) }

func (d *dice) chance(p float64) bool { return d.share() < p }

// between is a time in [from, to), to the nanosecond.
func (d *dice) between(from, to time.Duration) time.Duration {
	return from + time.Duration(d.next()%uint64(to-from))
}

func oneOf[T any](d *dice, list ...T) T { return list[d.below(len(list))] }

// cup holds the dice of one world. Those for one purpose are the same however the world's goroutines are scheduled.
type cup struct {
	seed uint64
	mu   sync.Mutex
	uses map[string]uint64
}

// dice are new at each use of the same words.
func (c *cup) dice(words ...string) *dice {
	h := uint64(14695981039346656037)
	key := ""
	for _, w := range words {
		key += w + "\x00"
	}
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	c.mu.Lock()
	n := c.uses[key]
	c.uses[key]++
	c.mu.Unlock()
	d := dice(c.seed ^ h)
	d = dice(d.next() + n*0x632be59bd9b4e019)
	d.next()
	return &d
}
