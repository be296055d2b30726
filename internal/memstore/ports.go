package memstore

import (
	"bytes"
	"context"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
)

// Token implements channel.TokenCache.
func (s *Store) Token(_ context.Context, key string) (chat.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[key]
	if !ok || !s.now().Before(t.until) {
		delete(s.tokens, key)
		return chat.Secret{}, nil
	}
	return t.value, nil
}

// SetToken implements channel.TokenCache.
func (s *Store) SetToken(_ context.Context, key string, token chat.Secret, ttl time.Duration) error {
	if ttl <= 0 {
		return chat.E(chat.Invalid, "memstore.set_token", errTTL)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[key] = expiring[chat.Secret]{token, s.now().Add(ttl)}
	return nil
}

// DropToken implements channel.TokenCache.
func (s *Store) DropToken(_ context.Context, key string, old chat.Secret) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[key].value.Equal(old) {
		delete(s.tokens, key)
	}
	return nil
}

// TryLock implements channel.Locker.
func (s *Store) TryLock(_ context.Context, key string, ttl time.Duration) (unlock func(), ok bool, err error) {
	if ttl <= 0 {
		return nil, false, chat.E(chat.Invalid, "memstore.try_lock", errTTL)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, held := s.locks[key]; held && s.now().Before(l.until) {
		return nil, false, nil
	}
	s.locked++
	mine := s.locked
	s.locks[key] = expiring[int64]{mine, s.now().Add(ttl)}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.locks[key].value == mine {
			delete(s.locks, key)
		}
	}, true, nil
}

// liveFor is how long after a read the live text is still written.
const liveFor = 10 * time.Second

// ReadLive implements channel.LiveReader.
func (s *Store) ReadLive(_ context.Context, key chat.ConversationKey) (chat.Live, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live[key]
	if !s.now().Before(l.until) {
		l.value = nil
	}
	l.until = s.now().Add(liveFor)
	s.live[key] = l
	if l.value == nil {
		return chat.Live{}, false, nil
	}
	return *l.value, true, nil
}

// Write implements conversation.LiveWriter.
func (s *Store) Write(_ context.Context, key chat.ConversationKey, l chat.Live) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.live[key]
	if !s.now().Before(had.until) {
		delete(s.live, key)
		return false, nil
	}
	l = conversation.BoundLive(l)
	had.value = &l
	s.live[key] = had
	return true, nil
}

// feedMax is how many entries a feed keeps.
const feedMax = 200

type feed struct {
	entries []channel.FeedEntry
	until   time.Time
}

// Append implements channel.Feed.
func (s *Store) Append(_ context.Context, key chat.ConversationKey, id string, payload []byte, ttl time.Duration) error {
	at, err := parseFeedID(id)
	if err != nil || ttl <= 0 {
		if err == nil {
			err = errTTL
		}
		return chat.E(chat.Invalid, "memstore.feed_append", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feeds[key]
	if f == nil || !s.now().Before(f.until) {
		f = &feed{}
		s.feeds[key] = f
	}
	f.until = s.now().Add(ttl)
	if n := len(f.entries); n > 0 {
		if last, _ := parseFeedID(f.entries[n-1].ID); !last.less(at) {
			return nil
		}
	}
	f.entries = append(f.entries, channel.FeedEntry{ID: id, Payload: bytes.Clone(payload)})
	f.entries = f.entries[max(0, len(f.entries)-feedMax):]
	return nil
}

// Read implements channel.Feed.
func (s *Store) Read(_ context.Context, key chat.ConversationKey, after string) ([]channel.FeedEntry, error) {
	var from feedID
	if after != "" && after != "0" {
		var err error
		if from, err = parseFeedID(after); err != nil {
			return nil, chat.E(chat.Invalid, "memstore.feed_read", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []channel.FeedEntry
	if f := s.feeds[key]; f != nil && s.now().Before(f.until) {
		for _, e := range f.entries {
			if id, _ := parseFeedID(e.ID); from.less(id) {
				out = append(out, channel.FeedEntry{ID: e.ID, Payload: bytes.Clone(e.Payload)})
			}
		}
	}
	return out, nil
}
