package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
)

// planted is the store with at most one fault in it.
type planted struct {
	*memstore.Store
	w       *world
	copies  int
	newest  map[string]conversation.Claim // by conversation
	history map[string][]chat.Turn        // written apart from the reply
}

func name(key chat.ConversationKey) string { return key.Tenant + "/" + key.Channel + "/" + key.ID }

// Accept forgets with NoDedupe that it has seen a message.
func (s *planted) Accept(ctx context.Context, m chat.Message, opt conversation.AcceptOptions) (conversation.Accepted, error) {
	if s.w.plan.Plant == NoDedupe {
		s.copies++
		m.ID += fmt.Sprint("~", s.copies)
	}
	return s.Store.Accept(ctx, m, opt)
}

func (s *planted) see(c *conversation.Claim) {
	c.Message.ID, _, _ = strings.Cut(c.Message.ID, "~")
	if s.w.plan.Plant == TwoCommit {
		h := s.history[name(c.Key)]
		c.History = slices.Clone(h[max(0, len(h)-historyTurns):])
	}
	s.newest[name(c.Key)] = *c
}

// Claim passes what the store gives through see; so do Commit and Delivered.
func (s *planted) Claim(ctx context.Context, shards []conversation.Shard, owner string, most int, opt conversation.ClaimOptions) ([]conversation.Claim, error) {
	got, err := s.Store.Claim(ctx, shards, owner, most, opt)
	for i := range got {
		s.see(&got[i])
	}
	return got, err
}

// unfenced makes with NoFence an outdated claim good again.
func (s *planted) unfenced(c conversation.Claim) conversation.Claim {
	if now, ok := s.newest[name(c.Key)]; ok && s.w.plan.Plant == NoFence {
		c.Owner, c.Fence = now.Owner, now.Fence
	}
	return c
}

func (s *planted) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	if s.w.plan.Plant == TwoCommit {
		if o.Reset {
			s.history[name(c.Key)] = nil
		}
	}
	next, err := s.Store.Commit(ctx, s.unfenced(c), o)
	if next.Claim != nil {
		s.see(next.Claim)
	}
	return next, err
}

// Forget takes the history that TwoCommit keeps, too.
func (s *planted) Forget(ctx context.Context, c conversation.Claim, user string) (conversation.Forgotten, error) {
	got, err := s.Store.Forget(ctx, s.unfenced(c), user)
	if err == nil {
		s.history[name(c.Key)] = nil
	}
	return got, err
}

func (s *planted) Delivered(ctx context.Context, c conversation.Claim, part int, opt conversation.ClaimOptions) (conversation.Next, error) {
	next, err := s.Store.Delivered(ctx, s.unfenced(c), part, opt)
	if next.Claim != nil {
		s.see(next.Claim)
	}
	return next, err
}

// Seat adds one seat with OneMore.
func (s *planted) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, lease time.Duration,
) (map[string]conversation.Seated, error) {
	if s.w.plan.Plant == OneMore {
		asks = slices.Clone(asks)
		for i := range asks {
			asks[i].Limit++
		}
	}
	return s.Store.Seat(ctx, owner, asks, lease)
}

// acceptLater acknowledges at once and writes a little later, if the process still lives.
func (s *store) acceptLater(m chat.Message, opt conversation.AcceptOptions) (conversation.Accepted, error) {
	w := s.p.w
	if err := s.p.pass("accept " + m.ID); err != nil {
		return conversation.Accepted{}, err
	}
	shard := conversation.ShardOf(m.Conversation)
	w.all.Go(func() {
		_, err := step(context.Background(), s.p, act{op: "accept", key: m.ID}, func(*act) (conversation.Accepted, error) {
			got, err := w.planted.Accept(context.Background(), m, opt)
			w.ledger.accepted(m, got, err)
			return got, err
		})
		w.note(s.p.name, "wrote %s after it was acknowledged: %v", m.ID, err)
	})
	time.Sleep(time.Duration(len(m.ID)) * 10 * time.Microsecond)
	return conversation.Accepted{Ready: true, Shard: shard}, s.p.pass("accept " + m.ID)
}

// rememberFirst writes the history in a step of its own, before the reply.
func (s *store) rememberFirst(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Outcome, error) {
	if o.Turn == nil {
		return o, nil
	}
	w := s.p.w
	_, err := step(ctx, s.p, act{op: "remember", key: c.Message.ID}, func(*act) (struct{}, error) {
		k := name(c.Key)
		if now := w.planted.newest[k]; now.Owner != c.Owner || now.Fence != c.Fence {
			return struct{}{}, conversation.ErrFenced
		}
		w.planted.history[k] = append(w.planted.history[k], *o.Turn)
		return struct{}{}, nil
	})
	return o, err
}
