package conversation

import "sync"

// hints collects shards in which something became ready; many hints for one shard between two claims cost one claim.
type hints struct {
	mu   sync.Mutex
	set  map[Shard]struct{}
	list []Shard // the set, in the order in which they came
	wake chan struct{}
}

func (h *hints) add(shards ...Shard) {
	h.mu.Lock()
	if h.set == nil {
		h.set = map[Shard]struct{}{}
	}
	for _, s := range shards {
		if _, known := h.set[s]; !known {
			h.set[s] = struct{}{}
			h.list = append(h.list, s)
		}
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// take empties the set. Who came first is first.
func (h *hints) take() []Shard {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.list
	h.list = nil
	clear(h.set)
	return out
}
