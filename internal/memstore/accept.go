package memstore

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// sweepEvery is how many accepted messages a shard takes before it looks for what has run out.
const sweepEvery = 1024

// Accept implements conversation.Store.
func (s *Store) Accept(ctx context.Context, m chat.Message, opt conversation.AcceptOptions) (conversation.Accepted, error) {
	out := conversation.Accepted{Shard: conversation.ShardOf(m.Conversation)}
	if opt.DedupeFor <= 0 || m.Once != "" && m.OnceFor <= 0 {
		return out, chat.E(chat.Invalid, "memstore.accept", errTTL)
	}
	if len(m.Address) > 0 && !json.Valid(m.Address) {
		return out, chat.E(chat.Invalid, "memstore.accept", errAddress)
	}
	err := s.with(ctx, "accept", out.Shard, func(sh *shard, now time.Time) error {
		if sh.swept++; sh.swept >= sweepEvery {
			sh.sweep(now)
		}
		id := strconv.Quote(m.Conversation.Channel) + strconv.Quote(m.ID)
		if now.Before(sh.dedupe[id]) {
			out.Duplicate = true
			return nil
		}
		sh.dedupe[id] = now.Add(opt.DedupeFor)
		if m.Once != "" {
			once := strconv.Quote(m.Conversation.Channel) + strconv.Quote(m.Once)
			if now.Before(sh.once[once]) {
				out.Ignored = true
				return nil
			}
			sh.once[once] = now.Add(m.OnceFor)
		}
		if !opt.Stop {
			out.Shed = s.shed(sh, m, opt, now)
		}
		if !s.merge(sh, m, opt, &out) {
			s.append(sh, m, opt.Stop, now, &out)
		}
		if c := sh.convs[handle(m.Conversation)]; opt.Forget {
			c.forget = out.Seq
			if c.due.After(now) {
				c.due, out.Ready = now, true
			}
		}
		return nil
	})
	return out, err
}

func (s *Store) shed(sh *shard, m chat.Message, opt conversation.AcceptOptions, now time.Time) conversation.Shed {
	if limit := opt.UserPerMinute; limit > 0 {
		user := strconv.Quote(m.Conversation.Channel) + strconv.Quote(m.User)
		times := append([]time.Time{now}, sh.rate[user]...) // newest first
		if len(times) > limit && now.Sub(times[limit]) < time.Minute {
			return conversation.ShedRate
		}
		sh.rate[user] = times[:min(len(times), limit)]
	}
	if opt.Waiting > 0 && s.waiting(sh.id.Tenant) >= opt.Waiting {
		return conversation.ShedBusy
	}
	return conversation.NotShed
}

func (s *Store) waiting(tenant string) (n int) {
	for i := range conversation.Shards {
		if sh := s.shards[conversation.Shard{Tenant: tenant, Index: i}]; sh != nil {
			n += sh.waiting
		}
	}
	return n
}

func (s *Store) append(sh *shard, m chat.Message, stop bool, now time.Time, out *conversation.Accepted) {
	c := sh.convs[handle(m.Conversation)]
	if c == nil {
		c = &conv{handle: handle(m.Conversation), key: m.Conversation, isStop: map[int64]bool{}}
		sh.convs[c.handle] = c
	}
	sh.seq++
	out.Seq, out.Ready = sh.seq, len(c.mailbox) == 0
	m.Address = bytes.Clone(m.Address)
	m.Once, m.OnceFor = "", 0 // the mailbox does not need them
	w := conversation.Waiting{Message: m, Seq: out.Seq, AcceptedAt: now, Shed: out.Shed}
	if stop {
		w.Stops = s.stopBefore(sh, c)
		c.stop, c.isStop[out.Seq] = out.Seq, true
	} else {
		c.last = out.Seq
	}
	c.mailbox = append(c.mailbox, w)
	sh.waiting++
	c.idleSince, c.until = time.Time{}, now.Add(conversation.KeepMailbox)
}

// merge puts a message into the one before it, if that waits behind another and the caller wants it.
func (s *Store) merge(sh *shard, m chat.Message, opt conversation.AcceptOptions, out *conversation.Accepted) bool {
	c := sh.convs[handle(m.Conversation)]
	if opt.Merge == nil || out.Shed != conversation.NotShed || c == nil || len(c.mailbox) < 2 {
		return false
	}
	last := &c.mailbox[len(c.mailbox)-1]
	merged, ok := opt.Merge(*last)
	if !ok {
		return false
	}
	sh.seq++
	out.Seq, out.Merged = sh.seq, true
	merged.Address, merged.Once, merged.OnceFor = bytes.Clone(merged.Address), "", 0
	last.Message, last.Seq, c.last = merged, out.Seq, out.Seq
	c.until = s.now().Add(conversation.KeepMailbox)
	return true
}

// stopBefore reports whether a stop command that arrives now finds something to stop, and tells the owner of a running message.
func (s *Store) stopBefore(sh *shard, c *conv) bool {
	if len(c.mailbox) == 0 {
		return false
	}
	head := c.mailbox[0].Seq
	first := head
	if c.reply != nil {
		first++ // answered already: on its way to the person
	}
	if c.owner != "" && c.reply == nil && !c.isStop[head] && head >= c.stop {
		c.stopped = true
		for ch, tenants := range s.stops[c.owner] {
			if !slices.Contains(tenants(), sh.id.Tenant) {
				continue
			}
			select {
			case ch <- conversation.Held{Shard: sh.id, Handle: c.handle, Fence: c.fence}:
			default: // Renew tells
			}
		}
	}
	return c.last >= max(first, c.stop)
}

// Stops implements conversation.Store.
func (s *Store) Stops(ctx context.Context, owner string, tenants func() []string) <-chan conversation.Held {
	ch := make(chan conversation.Held, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stops[owner] == nil {
		s.stops[owner] = map[chan conversation.Held]func() []string{}
	}
	s.stops[owner][ch] = tenants
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.stops[owner], ch)
		if len(s.stops[owner]) == 0 {
			delete(s.stops, owner)
		}
		close(ch)
	})
	return ch
}
