package memstore

import (
	"context"
	"slices"
	"time"

	"parley/internal/conversation"
)

// DeadLetters implements conversation.Graveyard.
func (s *Store) DeadLetters(ctx context.Context, tenant string, most int) ([]conversation.DeadLetter, error) {
	var out []conversation.DeadLetter
	for i := range conversation.Shards {
		err := s.with(ctx, "dead_letters", conversation.Shard{Tenant: tenant, Index: i}, func(sh *shard, now time.Time) error {
			sh.forgetDead(now)
			for _, d := range sh.dead {
				out = append(out, d.value)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b conversation.DeadLetter) int { return a.At.Compare(b.At) })
	return out[:min(len(out), most)], nil
}

// Retry implements conversation.Graveyard.
func (s *Store) Retry(ctx context.Context, ids []conversation.DeadID) ([]conversation.DeadID, error) {
	return s.exhume(ctx, ids, func(sh *shard, d conversation.DeadLetter, now time.Time) {
		s.append(sh, d.Message.Message, false, now, &conversation.Accepted{})
	})
}

// Drop implements conversation.Graveyard.
func (s *Store) Drop(ctx context.Context, ids []conversation.DeadID) ([]conversation.DeadID, error) {
	return s.exhume(ctx, ids, func(*shard, conversation.DeadLetter, time.Time) {})
}

func (s *Store) exhume(
	ctx context.Context, ids []conversation.DeadID, step func(*shard, conversation.DeadLetter, time.Time),
) (done []conversation.DeadID, err error) {
	for _, id := range ids {
		err := s.with(ctx, "exhume", id.Shard, func(sh *shard, now time.Time) error {
			sh.forgetDead(now)
			i := slices.IndexFunc(sh.dead, func(d expiring[conversation.DeadLetter]) bool { return d.value.ID == id })
			if i < 0 {
				return nil
			}
			step(sh, sh.dead[i].value, now)
			sh.dead = slices.Delete(sh.dead, i, i+1)
			done = append(done, id)
			return nil
		})
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

var _ conversation.Graveyard = (*Store)(nil)
