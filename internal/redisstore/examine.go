package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// mostWaiting bounds how many waiting messages of a conversation are told of.
const mostWaiting = 50

// Examine tells all that is kept of a conversation, its texts only with text. It reads, and takes nothing.
func (s *Store) Examine(ctx context.Context, key chat.ConversationKey, text bool) (conversation.Examination, error) {
	const op = "examine"
	shard, conv := conversation.ShardOf(key), handle(key)
	r := conversation.Examination{Handle: conv, Shard: shard.Index, Waiting: []conversation.WaitingInfo{}, History: []conversation.TurnInfo{}}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	b := prefix(shard)
	pipe := s.rdb.Pipeline()
	record, mail, count := pipe.HGetAll(ctx, b+"c:"+conv), pipe.LRange(ctx, b+"m:"+conv, 0, mostWaiting-1), pipe.LLen(ctx, b+"m:"+conv)
	history, ends := pipe.LRange(ctx, b+"h:"+conv, 0, -1), pipe.PTTL(ctx, b+"h:"+conv)
	chosen, due := pipe.Get(ctx, b+"s:"+conv), pipe.ZScore(ctx, b+"ready", conv)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return r, failure(op, err)
	}
	examineRecord(&r, record.Val())
	if err := due.Err(); err == nil {
		at := time.UnixMilli(int64(due.Val())).UTC()
		r.Due = &at
	}
	for _, entry := range mail.Val() {
		w, err := decodeWaiting(entry)
		if err != nil {
			return r, failure(op, err)
		}
		r.Waiting = append(r.Waiting, conversation.Tell(w, text))
	}
	r.More = int(count.Val()) - len(r.Waiting)
	for _, entry := range history.Val() {
		t, err := decodeTurn(entry)
		if err != nil {
			return r, failure(op, err)
		}
		r.History = append(r.History, conversation.TellTurn(t, text))
	}
	if left := ends.Val(); left > 0 {
		at := time.Now().Add(left).UTC().Truncate(time.Second)
		r.Forgotten = &at
	}
	var st state
	if doc := chosen.Val(); doc != "" && decode(doc, &st) == nil {
		r.Model, r.Noted = st.Model, st.Noted
	}
	return r, nil
}

// examineRecord reads the fields of c:CONV that common.lua describes.
func examineRecord(r *conversation.Examination, f map[string]string) {
	r.Owner = f["owner"]
	r.Fence, r.Attempts = number(f["fence"]), int(number(f["att"]))
	if f["parts"] != "" {
		r.Parts, r.Next, r.Tries = int(number(f["np"])), int(number(f["next"])), int(number(f["try"]))
	}
}

// FindTurn looks among a tenant's messages that wait or are worked on for the one that the log names so. It reads all mailboxes: for operators.
func (s *Store) FindTurn(ctx context.Context, tenant, turn string) (key chat.ConversationKey, found bool, err error) {
	const op = "find_turn"
	for _, shard := range allShards(tenant) {
		b := prefix(shard)
		handles, err := s.rdb.ZRange(ctx, b+"mail", 0, -1).Result()
		if err != nil {
			return key, false, failure(op, err)
		}
		for len(handles) > 0 {
			some := handles[:min(len(handles), 200)]
			handles = handles[len(some):]
			pipe := s.rdb.Pipeline()
			cmds := make([]*redis.StringSliceCmd, len(some))
			for i, h := range some {
				cmds[i] = pipe.LRange(ctx, b+"m:"+h, 0, -1)
			}
			if _, err := pipe.Exec(ctx); err != nil {
				return key, false, failure(op, err)
			}
			for _, cmd := range cmds {
				for _, entry := range cmd.Val() {
					if w, err := decodeWaiting(entry); err == nil && conversation.TurnOf(w) == turn {
						return w.Conversation, true, nil
					}
				}
			}
		}
	}
	return key, false, nil
}
