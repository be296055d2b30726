package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	relayMax     = 1000             // requests that wait for one key
	relayAtOnce  = 128              // requests of one key that a process answers side by side
	relayBlock   = time.Second      // how long one command waits for something to come; it cannot be interrupted
	relayAnswers = 30 * time.Second // how long answers are kept that nobody reads
)

// answersKey is where a process finds the answers to what it asked under key.
func answersKey(key, who string) string { return relayKey(key) + ":" + name(who) }

// relayBox takes one process's answers to what it asked under one key. A goroutine reads them while somebody waits.
type relayBox struct {
	key, who string

	mu      sync.Mutex
	waiting map[string]chan []byte
	reading bool
}

// Ask implements channel.Relay.
func (s *Store) Ask(ctx context.Context, key string, payload []byte, within time.Duration) ([]byte, error) {
	const op = "relay_ask"
	switch {
	case within <= 0:
		return nil, invalid(op, errTTL)
	case len(payload) > maxMemo:
		return nil, invalid(op, fmt.Errorf("a request of %d bytes; at most %d", len(payload), maxMemo))
	}
	id, box := rand.Text(), s.relayBox(key)
	answer := s.await(box, id)
	defer box.forget(id)
	v, err := s.run(ctx, op, s.scripts.relayAsk, relayKey(key), millis(within), relayMax, box.who, id, payload)
	if err != nil {
		return nil, err
	}
	entry := text(v)
	if entry == "" {
		return nil, chat.E(chat.Overloaded, "redis."+op, fmt.Errorf("%d requests wait already", relayMax))
	}
	late := time.NewTimer(within + s.timeout) // who took it in time answers in time; and the way
	defer late.Stop()
	taken := time.NewTimer(within)
	defer taken.Stop()
	for {
		select {
		case a := <-answer:
			return a, nil
		case <-taken.C:
			if err := s.takeBack(ctx, key, entry, chat.Unavailable, errors.New("nobody serves this now")); err != nil {
				return nil, err
			}
		case <-late.C:
			return nil, unanswered(chat.Timeout, errors.New("who took it did not answer"))
		case <-ctx.Done():
			if err := s.takeBack(ctx, key, entry, chat.KindOf(ctx.Err()), ctx.Err()); err != nil {
				return nil, err
			}
			return nil, unanswered(chat.KindOf(ctx.Err()), ctx.Err())
		}
	}
}

// takeBack removes a request that nobody has taken; its error says so, and why it was taken back. nil: somebody has taken it.
func (s *Store) takeBack(ctx context.Context, key, entry string, kind chat.Kind, why error) error {
	ctx, cancel := s.bound(context.WithoutCancel(ctx))
	defer cancel()
	if n, err := s.rdb.LRem(ctx, relayKey(key), 1, entry).Result(); err != nil || n == 0 {
		return nil //nolint:nilerr // who cannot ask must believe that it was taken
	}
	return chat.E(kind, "redis.relay_ask", why)
}

func unanswered(kind chat.Kind, why error) error {
	e := chat.E(kind, "redis.relay_ask", why)
	e.Maybe = true
	return e
}

func (s *Store) relayBox(key string) *relayBox {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boxes[key] == nil {
		who := rand.Text()
		s.boxes[key] = &relayBox{key: answersKey(key, who), who: who, waiting: map[string]chan []byte{}}
	}
	return s.boxes[key]
}

// await announces that the answer to id is waited for, and has somebody read.
func (s *Store) await(b *relayBox, id string) <-chan []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := make(chan []byte, 1)
	b.waiting[id] = answer
	if !b.reading {
		b.reading = true
		go s.readAnswers(b)
	}
	return answer
}

func (b *relayBox) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, id)
}

// readAnswers reads until nobody waits any more.
func (s *Store) readAnswers(b *relayBox) {
	for {
		b.mu.Lock()
		b.reading = len(b.waiting) > 0
		more := b.reading
		b.mu.Unlock()
		if !more {
			return
		}
		entry, err := s.pop(b.key)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		id, answer, _ := strings.Cut(entry, "\n")
		b.mu.Lock()
		if c := b.waiting[id]; c != nil {
			delete(b.waiting, id)
			c <- []byte(answer)
		}
		b.mu.Unlock()
	}
}

// pop waits a while for the next entry of a list; "": none came. It has connections of its own, for it keeps one busy while it waits.
func (s *Store) pop(list string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), relayBlock+s.timeout)
	defer cancel()
	v, err := s.blocking.BLPop(ctx, relayBlock, list).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", nil
	case err != nil:
		return "", failure("relay_pop", err)
	case len(v) != 2:
		return "", failure("relay_pop", errors.New("not the answer of this command"))
	}
	return v[1], nil
}

// Serve implements channel.Relay.
func (s *Store) Serve(ctx context.Context, key string, f func(ctx context.Context, payload []byte) []byte) {
	var running sync.WaitGroup
	defer running.Wait()
	room := make(chan struct{}, relayAtOnce)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		entry, err := s.pop(relayKey(key))
		r, known := parseRelay(entry)
		if err == nil && known && ctx.Err() != nil {
			s.putBack(ctx, key, entry)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil || !known {
			<-room
			if err != nil {
				pauseFor(ctx, 200*time.Millisecond)
			}
			continue
		}
		running.Go(func() {
			defer func() { <-room }()
			s.answer(ctx, key, entry, r, f)
		})
	}
}

// putBack leaves a request that was taken to whoever serves next.
func (s *Store) putBack(ctx context.Context, key, entry string) {
	_, _ = s.run(context.WithoutCancel(ctx), "relay_push", s.scripts.relayPush, relayKey(key), millis(relayAnswers), entry)
}

// relayed is a request as the list has it.
type relayed struct {
	deadline time.Time
	who, id  string
	payload  string
}

// parseRelay reads "1 DEADLINE WHO ID\nPAYLOAD". What a later release asks is not for this one.
func parseRelay(entry string) (r relayed, ok bool) {
	head, payload, ok := strings.Cut(entry, "\n")
	f := strings.Fields(head)
	if !ok || len(f) != 4 || f[0] != "1" {
		return r, false
	}
	ms, err := strconv.ParseInt(f[1], 10, 64)
	return relayed{time.UnixMilli(ms), f[2], f[3], payload}, err == nil
}

// answer answers one request, if its time is not over.
func (s *Store) answer(ctx context.Context, key, entry string, r relayed, f func(context.Context, []byte) []byte) {
	asked := time.Now()
	v, err := s.run(context.WithoutCancel(ctx), "relay_now", s.scripts.relayNow, relayKey(key))
	if ctx.Err() != nil {
		s.putBack(ctx, key, entry)
		return
	}
	left := r.deadline.Sub(time.UnixMilli(number(v))) - time.Since(asked)
	if err != nil || left <= 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	answer := f(within, []byte(r.payload))
	_, _ = s.run(context.WithoutCancel(ctx), "relay_push", s.scripts.relayPush, answersKey(key, r.who), millis(relayAnswers), r.id+"\n"+string(answer))
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var _ channel.Relay = (*Store)(nil)
