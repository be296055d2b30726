package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/conversation"
)

// Stats implements conversation.Store. With an error, the figures are of the shards that did not fail.
func (s *Store) Stats(ctx context.Context, tenant string) (conversation.Stats, error) {
	const op = "stats"
	v, err := s.each(ctx, op, s.scripts.stats, prefixes(allShards(tenant)), nil)
	var out conversation.Stats
	for _, r := range v {
		row := list(r)
		if len(row) != 6 {
			err = cmp.Or(err, failure(op, fmt.Errorf("%d fields", len(row))))
			continue
		}
		out.Waiting += int(number(row[0]))
		out.Running += int(number(row[1]))
		out.Ready += int(number(row[2]))
		out.Oldest = max(out.Oldest, time.Duration(number(row[3]))*time.Millisecond)
		out.Dead += int(number(row[4]))
		out.Postponed += int(number(row[5]))
	}
	return out, err
}

func allShards(tenant string) []conversation.Shard {
	out := make([]conversation.Shard, conversation.Shards)
	for i := range out {
		out[i] = conversation.Shard{Tenant: tenant, Index: i}
	}
	return out
}

// DeadLetters lists a tenant's dead letters that are still kept, oldest first, at most most of them.
func (s *Store) DeadLetters(ctx context.Context, tenant string, most int) ([]conversation.DeadLetter, error) {
	const op = "dead_letters"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	pipe := s.rdb.Pipeline()
	var cmds []*redis.StringSliceCmd
	for _, p := range prefixes(allShards(tenant)) {
		cmds = append(cmds, pipe.ZRange(ctx, p+"dead", 0, -1))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failure(op, err)
	}
	var out []conversation.DeadLetter
	for _, cmd := range cmds {
		for _, e := range cmd.Val() {
			d, err := decodeDead(e)
			if err != nil {
				return nil, failure(op, err)
			}
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b conversation.DeadLetter) int { return a.At.Compare(b.At) })
	return out[:min(len(out), most)], nil
}

// decodeDead reads "1 AT REASON\nENTRY" with the reason quoted and ENTRY of the mailbox.
func decodeDead(e string) (conversation.DeadLetter, error) {
	head, entry, _ := strings.Cut(e, "\n")
	f := strings.SplitN(head, " ", 3)
	if len(f) != 3 || f[0] != "1" {
		return conversation.DeadLetter{}, fmt.Errorf("dead letter of an unknown format: %.40q", head)
	}
	reason, err := strconv.Unquote(f[2])
	if err != nil {
		return conversation.DeadLetter{}, fmt.Errorf("dead letter's reason: %w", err)
	}
	w, err := decodeWaiting(entry)
	return conversation.DeadLetter{Message: w, Reason: reason, At: when(f[1])}, err
}
