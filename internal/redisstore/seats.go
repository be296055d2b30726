package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"parley/internal/conversation"
)

// seatsPrefix begins the key of a tenant's seats.
func seatsPrefix(tenant string) string { return root + "{" + name(tenant) + "}:seats:" }

// Seat implements conversation.Seats.
func (s *Store) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, lease time.Duration,
) (map[string]conversation.Seated, error) {
	const op = "seat"
	if lease <= 0 {
		return nil, invalid(op, errTTL)
	}
	keys := make([]string, len(asks))
	for i, a := range asks {
		if err := conversation.CheckSeatAsk(a); err != nil {
			return nil, invalid(op, err)
		}
		keys[i] = seatsPrefix(a.Tenant)
	}
	if len(asks) == 0 {
		return nil, nil
	}
	v, err := s.eachWith(ctx, op, s.scripts.seats, keys, nil, func(i int) []any {
		a := asks[i]
		return []any{name(owner), a.Seq, a.Limit, a.Runs, a.Need, a.Spare, millis(lease), digit(a.Reap)}
	})
	out := make(map[string]conversation.Seated, len(asks))
	for i, r := range v {
		switch row := list(r); {
		case len(row) == 2:
			out[asks[i].Tenant] = conversation.Seated{Held: int(number(row[0])), Free: int(number(row[1]))}
		case r != nil:
			err = cmp.Or(err, failure(op, fmt.Errorf("the script answered %v", r)))
		}
	}
	return out, err
}

// Look implements conversation.Seats.
func (s *Store) Look(ctx context.Context, shards []conversation.Shard) ([]conversation.Found, error) {
	const op = "look"
	ctx, cancel := s.bound(ctx) // of both steps
	defer cancel()
	stirring := s.stirring(ctx, op, shards, false, "ready")
	var out []conversation.Found
	for _, sh := range shards {
		if !slices.Contains(stirring, sh) {
			out = append(out, conversation.Found{Shard: sh, Since: when(int64(0))})
		}
	}
	if len(stirring) == 0 {
		return out, nil
	}
	v, err := s.each(ctx, op, s.scripts.look, prefixes(stirring), nil)
	err = inShards(stirring, v, err)
	for i, r := range v {
		if row := list(r); len(row) == 2 {
			out = append(out, conversation.Found{Shard: stirring[i], Ready: int(number(row[0])), Since: when(row[1])})
		}
	}
	return out, err
}
