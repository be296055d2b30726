package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/audit"
	"parley/internal/chat"
)

// auditKey is the stream of a log: the operators', or a tenant's, which the tenant's Redis user reaches. An entry's id is its place, SEQ-0: Redis
// takes no id twice and none below the last, also of entries that are gone, so that of two who write at once one begins anew.
func auditKey(log string) string {
	if log == audit.Operators {
		return root + "{OPERATORS}:audit" // in capitals, as no tenant is named
	}
	return root + "{" + name(log) + "}:audit"
}

// auditBatch is how many old entries one call of Record takes away at most.
const auditBatch = 64

// Record appends an entry to a log ([audit.Operators], or a tenant's by its name) and returns it with its place and hash. Entries older than keep are
// taken away; a log to which nothing is written ends with its last entry. On an error of kind Unavailable or Timeout the entry may be written.
func (s *Store) Record(ctx context.Context, log string, e audit.Entry, keep time.Duration) (audit.Entry, error) {
	const op = "audit"
	if keep < audit.MinKeep {
		return audit.Entry{}, invalid(op, fmt.Errorf("entries kept for %v; at least %v", keep, audit.MinKeep))
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	key := auditKey(log)
	for tried, gap := int64(-1), int64(0); ; {
		newest, err := s.auditRange(ctx, key, "+", 1)
		if err != nil {
			return audit.Entry{}, err
		}
		var last audit.Entry
		if len(newest) > 0 {
			last = newest[0]
		}
		if last.Seq == tried { // nobody was faster: somebody took the newest entries away. Their places stay empty, for Verify to find
			gap = 2*gap + 1
		}
		tried = last.Seq
		last.Seq += gap
		now := time.Now()
		sealed, raw, err := audit.Seal(last, e, now)
		if err != nil {
			return audit.Entry{}, invalid(op, err)
		}
		var old *redis.XMessageSliceCmd
		_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: auditID(sealed.Seq), Values: []any{"e", raw}})
			p.PExpire(ctx, key, keep+24*time.Hour)
			old = p.XRangeN(ctx, key, "-", "+", auditBatch)
			return nil
		})
		switch {
		case err == nil:
			return sealed, s.auditTrim(ctx, key, old.Val(), now.Add(-keep))
		case !strings.Contains(err.Error(), "equal or smaller"): // than the last: somebody else was faster
			return audit.Entry{}, failure(op, err)
		}
	}
}

// auditTrim takes away those of the oldest entries that are from before.
func (s *Store) auditTrim(ctx context.Context, key string, oldest []redis.XMessage, before time.Time) error {
	first := int64(0)
	for _, m := range oldest {
		e, err := auditEntry(m)
		if err != nil || !e.At.Before(before) {
			break
		}
		first = e.Seq + 1
	}
	if first == 0 {
		return nil
	}
	return failure("audit", s.rdb.XTrimMinID(ctx, key, auditID(first)).Err())
}

// Audit returns the newest entries of a log below place before (0: from its end), newest first.
func (s *Store) Audit(ctx context.Context, log string, before int64, limit int) ([]audit.Entry, error) {
	end := "+"
	if before > 0 {
		end = "(" + auditID(before)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.auditRange(ctx, auditKey(log), end, limit)
}

func (s *Store) auditRange(ctx context.Context, key, end string, limit int) ([]audit.Entry, error) {
	const op = "audit"
	found, err := s.rdb.XRevRangeN(ctx, key, end, "-", int64(limit)).Result()
	if err != nil {
		return nil, failure(op, err)
	}
	out := make([]audit.Entry, 0, len(found))
	for _, m := range found {
		e, err := auditEntry(m)
		if err != nil {
			return nil, chat.E(chat.Internal, "redis."+op, fmt.Errorf("entry %s of %s: %w", m.ID, key, err))
		}
		out = append(out, e)
	}
	return out, nil
}

func auditEntry(m redis.XMessage) (audit.Entry, error) {
	raw, ok := m.Values["e"].(string)
	if !ok {
		return audit.Entry{}, errors.New("it holds nothing")
	}
	return audit.Open([]byte(raw))
}

func auditID(seq int64) string { return strconv.FormatInt(seq, 10) + "-0" }
