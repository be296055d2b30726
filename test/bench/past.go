package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// past gives people conversations that they had before: the store's own steps, without the programs, since people of WeCom cannot have talked
// so much in so short a time. What is wrong with it the ledger sees at the first answer.
type past struct {
	turns int
	chars int // of an answer, about
	names []string
}

// before makes the past of a company's people, while no client service runs there.
func (p past) before(ctx context.Context, g *rig.Rig, c rig.Company, people *crowd.Crowd) error {
	store, err := redisstore.New(redisstore.Options{Addrs: []string{g.Redis.Addr}, PoolSize: 64, Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	defer store.Close()
	resync, err := unsynced(ctx, g)
	if err != nil {
		return err
	}
	shards := map[conversation.Shard][]string{}
	for _, name := range p.names {
		sh := conversation.ShardOf(p.key(c, name))
		shards[sh] = append(shards[sh], name)
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(shards))
	for sh, names := range shards {
		wg.Go(func() { errs <- p.shard(ctx, store, c, sh, names, people) })
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return errors.Join(all, resync())
}

// unsynced keeps Redis from writing to the disk until resync: nothing is measured yet.
func unsynced(ctx context.Context, g *rig.Rig) (resync func() error, err error) {
	rdb := redis.NewClient(&redis.Options{Addr: g.Redis.Addr})
	was, err := rdb.ConfigGet(ctx, "appendfsync").Result()
	if err == nil {
		err = rdb.ConfigSet(ctx, "appendfsync", "no").Err()
	}
	return func() error {
		return errors.Join(rdb.ConfigSet(ctx, "appendfsync", was["appendfsync"]).Err(), rdb.Close())
	}, err
}

func (past) key(c rig.Company, name string) chat.ConversationKey {
	return chat.ConversationKey{Tenant: c.Tenant, Channel: "app", ID: name}
}

// few people at a time: a claim takes all that is ready.
const few = 16

func (p past) shard(ctx context.Context, store *redisstore.Store, c rig.Company, sh conversation.Shard, names []string, people *crowd.Crowd) error {
	for len(names) > 0 {
		n := min(few, len(names))
		for _, name := range names[:n] {
			for i := range p.turns {
				id := ledger.ID{Person: name, N: i + 1}
				m := chat.Message{ID: "past-" + id.String(), Conversation: p.key(c, name), User: name, Kind: chat.KindText, Text: ledger.Question(id)}
				if _, err := store.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
					return err
				}
			}
		}
		claims, err := store.Claim(ctx, []conversation.Shard{sh}, "past", n, conversation.ClaimOptions{Lease: time.Minute})
		if err != nil || len(claims) != n {
			return fmt.Errorf("the past of %d people: claimed %d: %w", n, len(claims), err)
		}
		for _, claim := range claims {
			if err := p.person(ctx, store, c, claim, people); err != nil {
				return err
			}
		}
		names = names[n:]
	}
	return nil
}

// person answers all that one person has asked.
func (p past) person(ctx context.Context, store *redisstore.Store, c rig.Company, claim conversation.Claim, people *crowd.Crowd) error {
	var said []ledger.Line
	next := &claim
	for n := 1; next != nil; n++ {
		id := ledger.ID{Person: next.Message.User, N: n}
		said = append(said, ledger.Line{Role: "user", Text: ledger.Question(id)})
		framed := ledger.Answer(said)
		answer := framed + strings.Repeat("这里是以前的回答，说得比较详细一些。\n", max(0, (p.chars-utf8.RuneCountInString(framed))/19+1))
		said = append(said, ledger.Line{Role: "assistant", Text: answer})
		did, err := store.Commit(ctx, *next, conversation.Outcome{
			Turn: &chat.Turn{Question: ledger.Question(id), Answer: answer, At: time.Now(), QuestionTokens: 12, AnswerTokens: p.chars},
			Keep: conversation.Keep{Turns: c.Window, TTL: 30 * time.Minute}, Claim: conversation.ClaimOptions{Lease: time.Minute},
		})
		if err != nil {
			return err
		}
		people.Past(id, framed) // what counts of it; a hundred thousand whole ones are 200 MB
		next = did.Claim
	}
	return nil
}
