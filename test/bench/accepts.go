package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
	"parley/test/ledger"
	"parley/test/rig"
)

// paced does n things at a rate, each when it is due and however long the others take, and waits for all.
func paced(ctx context.Context, rate, n int, do func(i int, due time.Time)) {
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() { do(i, due) })
	}
	wg.Wait()
}

// accepts calls the store's accept, and nothing more, for a tenant that nobody serves.
type accepts struct {
	store *redisstore.Store
	n     int

	mu   sync.Mutex
	took []time.Duration
	err  error
}

func openAccepts(g *rig.Rig) (*accepts, error) {
	store, err := redisstore.New(redisstore.Options{Addrs: []string{g.Redis.Addr}, PoolSize: 64, Timeout: 10 * time.Second})
	return &accepts{store: store}, err
}

// slice accepts n messages at a rate; what each took is counted from when it was due.
func (a *accepts) slice(ctx context.Context, rate, n int) {
	from := a.n
	a.n += n
	paced(ctx, rate, n, func(i int, due time.Time) {
		i += from
		name := fmt.Sprintf("bare%04d", i%3000)
		m := chat.Message{ID: fmt.Sprint("bare-", i), Conversation: chat.ConversationKey{Tenant: "bare", Channel: "app", ID: name}, User: name,
			Kind: chat.KindText, Text: ledger.Question(ledger.ID{Person: name, N: i})}
		_, err := a.store.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour, Waiting: 1_000_000, UserPerMinute: 600})
		took := time.Since(due)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.took, a.err = append(a.took, took), errors.Join(a.err, err)
	})
}
