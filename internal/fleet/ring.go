package fleet

import "time"

// keeperOf is the server that keeps a key: the one whose address, hashed with the key, comes out highest ("" of none). When a server comes
// or goes, only the keys that it keeps move. Servers of different releases must agree on it.
func keeperOf(key string, servers []string) string {
	var best string
	var most uint64
	for _, addr := range servers {
		if w := weigh(addr, key); best == "" || w > most || w == most && addr > best {
			best, most = addr, w
		}
	}
	return best
}

// weigh is FNV-1a over the address, a zero byte and the key, then mixed (MurmurHash3's finalizer): FNV alone leaves addresses that differ
// in their last digit too much alike.
func weigh(addr, key string) uint64 {
	x := uint64(14695981039346656037)
	add := func(s string) {
		for i := range len(s) {
			x = (x ^ uint64(s[i])) * 1099511628211
		}
	}
	add(addr)
	add("\x00")
	add(key)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// ring is the servers that keep keys, and who did within the last grace.
type ring struct {
	self    string
	grace   time.Duration
	servers []string // nil: nobody knows yet
	past    []era
}

// era is servers that kept the keys until some moment; none at all if this process cannot say.
type era struct {
	servers []string
	end     time.Time
}

func (r *ring) keeper(key string) string { return keeperOf(key, r.servers) }

// change takes over new servers.
func (r *ring) change(servers []string, now time.Time) {
	r.close(r.servers, now)
	r.servers = servers
}

// interrupt says that nobody knows who kept the keys until now.
func (r *ring) interrupt(now time.Time) { r.close(nil, now) }

func (r *ring) close(servers []string, now time.Time) {
	kept := r.past[:0]
	for _, e := range r.past {
		if now.Sub(e.end) < r.grace {
			kept = append(kept, e)
		}
	}
	r.past = append(kept, era{servers, now})
}

// opens is from when on this server may let calls with a key that it keeps begin: a grace after it was last not its keeper. A time in the
// past, or zero: now.
func (r *ring) opens(key string) time.Time {
	for i := len(r.past) - 1; i >= 0; i-- {
		if e := r.past[i]; keeperOf(key, e.servers) != r.self {
			return e.end.Add(r.grace)
		}
	}
	return time.Time{}
}
