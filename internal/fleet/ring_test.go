package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func servers(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("10.0.0.%d:20880", i+1))
	}
	return out
}

func keys(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("openai/%016x", i*7919))
	}
	return out
}

// Servers of different releases have to agree: these values may never change.
func TestWeighIsForEver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addr, key string
		want      uint64
	}{
		{"", "", 0xb9034ad37056f5fb},
		{"10.0.0.1:20880", "openai/0123456789abcdef", 0x79f4d8a5d987bebc},
		{"10.0.0.2:20880", "openai/0123456789abcdef", 0xa15492727ca60cf2},
	} {
		if got := weigh(tt.addr, tt.key); got != tt.want {
			t.Errorf("weigh(%q, %q) = %#x, want %#x", tt.addr, tt.key, got, tt.want)
		}
	}
}

func TestKeysSpreadOverServers(t *testing.T) {
	t.Parallel()
	const perServer = 1000
	for _, n := range []int{1, 2, 4, 16} {
		count := map[string]int{}
		for _, key := range keys(n * perServer) {
			count[keeperOf(key, servers(n))]++
		}
		for _, addr := range servers(n) {
			if c := count[addr]; c < perServer*8/10 || c > perServer*12/10 {
				t.Errorf("of %d servers, %s keeps %d keys, %d would be fair", n, addr, c, perServer)
			}
		}
	}
}

func TestOnlyTheKeysOfAServerThatGoesMove(t *testing.T) {
	t.Parallel()
	all := servers(5)
	gone := all[2]
	rest := without(all, gone)
	reversed := slices.Clone(rest)
	slices.Reverse(reversed)
	for _, key := range keys(2000) {
		before, after := keeperOf(key, all), keeperOf(key, rest)
		if before != gone && before != after {
			t.Fatalf("%s moved from %s to %s, which both stayed", key, before, after)
		}
		if got := keeperOf(key, reversed); got != after {
			t.Fatalf("the keeper of %s depends on the order of the list", key)
		}
	}
	if got := keeperOf("key", nil); got != "" {
		t.Errorf("of no servers, %q keeps a key", got)
	}
}

func TestWhenAKeyOpens(t *testing.T) {
	t.Parallel()
	const grace = 3 * time.Second
	t0 := time.Unix(1000, 0)
	me := keeperOf("key", []string{"a", "b"})
	other := without([]string{"a", "b"}, me)[0]
	after := func(d time.Duration) time.Time { return t0.Add(d) }
	tests := map[string]struct {
		steps func(r *ring)
		want  time.Time
	}{
		"at the start":       {func(r *ring) { r.change([]string{me}, t0) }, after(grace)},
		"kept all the while": {func(r *ring) { r.change([]string{me}, t0); r.change([]string{me, other}, after(10*time.Second)) }, after(grace)},
		"taken over":         {func(r *ring) { r.change([]string{other}, t0); r.change([]string{me, other}, after(time.Second)) }, after(time.Second + grace)},
		"lost, and got back": {func(r *ring) {
			r.change([]string{me}, t0)
			r.change([]string{other}, after(10*time.Second))
			r.change([]string{me}, after(11*time.Second))
		}, after(11*time.Second + grace)},
		"after standing still": {func(r *ring) { r.change([]string{me}, t0); r.interrupt(after(20 * time.Second)) }, after(20*time.Second + grace)},
		"changes of others' keys": {func(r *ring) {
			r.change([]string{me}, t0)
			r.change([]string{me, other}, after(5*time.Second))
			r.change([]string{me}, after(6*time.Second))
		}, after(grace)},
		"alone, from the very start": {func(r *ring) { r.servers = []string{me} }, time.Time{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := ring{self: me, grace: grace}
			tt.steps(&r)
			if got := r.opens("key"); !got.Equal(tt.want) && !(got.IsZero() && tt.want.Before(after(5*time.Second))) {
				t.Errorf("it opens at %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheRingForgetsWhatIsOver(t *testing.T) {
	t.Parallel()
	r := ring{self: "a", grace: time.Second}
	for i := range 1000 {
		r.change([]string{"a", fmt.Sprint(i)}, time.Unix(int64(i), 0))
	}
	if len(r.past) > 2 {
		t.Errorf("it remembers %d times", len(r.past))
	}
}
