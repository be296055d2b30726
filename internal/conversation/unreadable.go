package conversation

import "errors"

// maxStrange bounds of how many unreadable conversations this process remembers that it spoke of.
const maxStrange = 1000

// unreadable takes out of a claim's error that some conversations could not be read: it is no trouble with the store, and they wait there for
// a later release, or for a person. It is counted every time and said once of each.
func (s *Service) unreadable(err error) error {
	u, ok := errors.AsType[*Unreadable](err)
	if !ok {
		return err
	}
	s.metrics.unread.Add(float64(len(u.Held)))
	for _, h := range u.Held {
		if s.isNew(held{h.Shard, h.Handle}) {
			s.Log.Error("what a conversation holds cannot be read, and is left for a release that can: start the newer release again if this one was rolled back to",
				"tenant", h.Shard.Tenant, "shard", h.Shard.Index, "conversation", opaque(h.Shard.Tenant, h.Handle), "err", u.Err)
		}
	}
	if p, ok := errors.AsType[*PartError](err); ok {
		return p
	}
	return nil
}

func (s *Service) isNew(h held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.strange[h] {
		return false
	}
	if len(s.strange) >= maxStrange {
		clear(s.strange)
	}
	s.strange[h] = true
	return true
}
