package memstore

import (
	"context"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// seat is what one owner holds of a tenant's seats; see redisstore's seats.lua for its twin.
type seat struct {
	seq   int64
	until time.Time
	held  int
}

// Seat implements conversation.Seats.
func (s *Store) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, lease time.Duration,
) (map[string]conversation.Seated, error) {
	const op = "memstore.seat"
	if err := ctx.Err(); err != nil {
		return nil, chat.E(chat.KindOf(err), op, err)
	}
	if lease <= 0 {
		return nil, chat.E(chat.Invalid, op, errTTL)
	}
	for _, a := range asks {
		if err := conversation.CheckSeatAsk(a); err != nil {
			return nil, chat.E(chat.Invalid, op, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]conversation.Seated{}
	for _, a := range asks {
		out[a.Tenant] = s.seat(owner, a, lease)
	}
	return out, nil
}

func (s *Store) seat(owner string, a conversation.SeatAsk, lease time.Duration) conversation.Seated {
	now, of := s.now(), s.seats[a.Tenant]
	if of == nil {
		of = map[string]seat{}
		s.seats[a.Tenant] = of
	}
	free := a.Limit
	for name, o := range of {
		switch {
		case name == owner:
		case now.Sub(o.until) >= 24*time.Hour, a.Reap && !now.Before(o.until):
			delete(of, name)
		default:
			free -= o.held
		}
	}
	own, known := of[owner]
	if known && a.Seq <= own.seq {
		return conversation.Seated{Held: own.held, Free: free - own.held}
	}
	held := max(min(own.held, a.Runs), min(a.Need, max(0, free)))
	held += max(0, min(a.Spare, (free-held)/2))
	if held > 0 {
		of[owner] = seat{a.Seq, now.Add(lease), held}
	} else {
		delete(of, owner)
	}
	return conversation.Seated{Held: held, Free: free - held}
}

// Look implements conversation.Seats.
func (s *Store) Look(ctx context.Context, shards []conversation.Shard) ([]conversation.Found, error) {
	var out []conversation.Found
	for _, id := range shards {
		err := s.with(ctx, "look", id, func(sh *shard, now time.Time) error {
			f := conversation.Found{Shard: id}
			if ready := sh.ready(now); len(ready) > 0 {
				f.Ready, f.Since = len(ready), ready[0].from()
			}
			out = append(out, f)
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
