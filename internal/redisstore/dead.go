package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"parley/internal/conversation"
)

// stored is a dead letter with its exact bytes in Redis.
type stored struct {
	conversation.DeadLetter
	bytes string
}

// DeadLetters implements conversation.Graveyard.
func (s *Store) DeadLetters(ctx context.Context, tenant string, most int) ([]conversation.DeadLetter, error) {
	letters, err := s.letters(ctx, allShards(tenant))
	if err != nil {
		return nil, err
	}
	out := make([]conversation.DeadLetter, 0, len(letters))
	for _, d := range letters {
		out = append(out, d.DeadLetter)
	}
	slices.SortStableFunc(out, func(a, b conversation.DeadLetter) int { return a.At.Compare(b.At) })
	return out[:min(len(out), most)], nil
}

func (s *Store) letters(ctx context.Context, shards []conversation.Shard) (out []stored, err error) {
	const op = "dead_letters"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	pipe := s.rdb.Pipeline()
	cmds := make([]*redis.StringSliceCmd, len(shards))
	for i, sh := range shards {
		cmds[i] = pipe.ZRange(ctx, prefix(sh)+"dead", 0, -1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failure(op, err)
	}
	for i, cmd := range cmds {
		for _, e := range cmd.Val() {
			d, err := decodeDead(e)
			if err != nil {
				return nil, failure(op, err)
			}
			d.ID = conversation.DeadID{Shard: shards[i], Seq: d.Message.Seq}
			out = append(out, stored{d, e})
		}
	}
	return out, nil
}

// Retry implements conversation.Graveyard.
func (s *Store) Retry(ctx context.Context, ids []conversation.DeadID) ([]conversation.DeadID, error) {
	return s.exhume(ctx, ids, func(d stored) (any, error) {
		message := d.bytes[strings.LastIndexByte(d.bytes, '\n')+1:] // JSON: one line
		return s.run(ctx, "retry", s.scripts.retry, prefix(d.ID.Shard), d.bytes, handle(d.Message.Conversation), message)
	})
}

// Drop implements conversation.Graveyard.
func (s *Store) Drop(ctx context.Context, ids []conversation.DeadID) ([]conversation.DeadID, error) {
	return s.exhume(ctx, ids, func(d stored) (any, error) {
		return s.run(ctx, "drop_dead", s.scripts.bury, prefix(d.ID.Shard), d.bytes)
	})
}

// exhume does one step with each dead letter that is there.
func (s *Store) exhume(ctx context.Context, ids []conversation.DeadID, step func(stored) (any, error)) (done []conversation.DeadID, err error) {
	wanted := map[conversation.DeadID]bool{}
	var shards []conversation.Shard
	for _, id := range ids {
		wanted[id] = true
		if !slices.Contains(shards, id.Shard) {
			shards = append(shards, id.Shard)
		}
	}
	letters, err := s.letters(ctx, shards)
	if err != nil {
		return nil, err
	}
	for _, d := range letters {
		if !wanted[d.ID] {
			continue
		}
		v, err := step(d)
		if err != nil {
			return done, err
		}
		if number(v) == 1 {
			done = append(done, d.ID)
		}
	}
	return done, nil
}

// decodeDead reads "2 AT CLAIMS REASON\nENTRY", or "1 AT REASON\nENTRY" of an older release, with the reason quoted and ENTRY of the mailbox.
func decodeDead(e string) (conversation.DeadLetter, error) {
	head, entry, _ := strings.Cut(e, "\n")
	version, rest, _ := strings.Cut(head, " ")
	at, reason, ok := strings.Cut(rest, " ")
	claims := "0"
	if version == "2" {
		claims, reason, ok = strings.Cut(reason, " ")
	}
	if !ok || version != "1" && version != "2" {
		return conversation.DeadLetter{}, fmt.Errorf("dead letter of an unknown format: %.40q", head)
	}
	reason, err := strconv.Unquote(reason)
	if err != nil {
		return conversation.DeadLetter{}, fmt.Errorf("dead letter's reason: %w", err)
	}
	w, err := decodeWaiting(entry)
	return conversation.DeadLetter{Message: w, Reason: reason, At: when(at), Claims: int(number(claims))}, err
}

var _ conversation.Graveyard = (*Store)(nil)
