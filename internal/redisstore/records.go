package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// RecordOptions say whether a store keeps a record of each call to a provider besides the sums of usage.
type RecordOptions struct {
	Keep   time.Duration // for how long; 0: none are kept
	People bool          // records name people by their hash
}

// KeepRecords has Commit and Spend keep records from now on. It is called before the store is used.
func (s *Store) KeepRecords(o RecordOptions) { s.records = o }

// of gives what spend in common.lua takes for records: of each call that cost something, in their order.
func (o RecordOptions) of(user string, spent []chat.Spend) (out []any) {
	if o.Keep <= 0 {
		return nil
	}
	if !o.People {
		user = ""
	}
	for _, s := range spent {
		if s.Usage.Input <= 0 && s.Usage.Output <= 0 {
			continue
		}
		raw, err := json.Marshal(conversation.CallRecordOf(s, user))
		if err != nil {
			continue // strings and numbers always encode
		}
		out = append(out, "+"+strconv.FormatInt(millis(o.Keep), 10), raw)
	}
	return out
}

// Records returns a shard's records after the one with the given position ("": from the first that is kept), in the order in which they were
// counted, at most so many, and the position of the last. Positions are of one shard.
func (s *Store) Records(ctx context.Context, shard conversation.Shard, after string, most int) (list []conversation.CallRecord, last string, err error) {
	const op = "records"
	from := "-"
	if after != "" {
		from = "(" + after
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	found, err := s.rdb.XRangeN(ctx, prefix(shard)+"records", from, "+", int64(most)).Result()
	if err != nil {
		return nil, after, failure(op, err)
	}
	last = after
	for _, m := range found {
		raw, ok := m.Values["r"].(string)
		var r conversation.CallRecord
		if err = json.Unmarshal([]byte(raw), &r); err != nil || !ok {
			return list, last, chat.E(chat.Internal, "redis."+op, fmt.Errorf("record %s of %s: %w", m.ID, prefix(shard), errors.Join(err, errors.New("it cannot be read"))))
		}
		r.ID, r.Tenant = fmt.Sprintf("%s:%02d:%s", shard.Tenant, shard.Index, m.ID), shard.Tenant
		list, last = append(list, r), m.ID
	}
	return list, last, nil
}
