package conversation

import "sync"

// hints collects shards in which something became ready; many hints for one shard between two claims cost one claim.
type hints struct {
	mu   sync.Mutex
	set  map[Shard]struct{}
	wake chan struct{}
}

func (h *hints) add(shards ...Shard) {
	h.mu.Lock()
	if h.set == nil {
		h.set = map[Shard]struct{}{}
	}
	for _, s := range shards {
		h.set[s] = struct{}{}
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// take empties the set.
func (h *hints) take() []Shard {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Shard, 0, len(h.set))
	for s := range h.set {
		out = append(out, s)
	}
	clear(h.set)
	return out
}
