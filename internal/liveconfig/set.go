package liveconfig

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
)

// SetOptions make a Set.
type SetOptions[T any] struct {
	Prefix string   // "tenant."
	Names  []string // without the prefix; empty: whatever the source lists
	Source Source
	Decode func(Document) (T, error) // see Options
	// Valid reports whether a listed name may be watched at all; nil: any. Names come from outside and become metric labels.
	Valid   func(name string) bool
	Every   time.Duration // between two listings; 0: 3 s
	Log     *slog.Logger
	Metrics *Metrics
}

// Set is all watched documents of a prefix, by their names without it. Its methods are safe for concurrent use.
type Set[T any] struct {
	opt    SetOptions[T]
	listed chan struct{} // closed once it is known which documents there are

	mu      sync.RWMutex
	members map[string]*member[T]
	subs    []func(name string, t T)
	lastErr error // of the last listing
	wg      sync.WaitGroup
}

type member[T any] struct {
	value  *Value[T]
	cancel context.CancelFunc
}

// NewSet makes a Set that is empty until Run is called.
func NewSet[T any](opt SetOptions[T]) *Set[T] {
	if opt.Every == 0 {
		opt.Every = 3 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Set[T]{opt: opt, listed: make(chan struct{}), members: map[string]*member[T]{}}
}

// Run watches until ctx ends, and returns when all its goroutines have.
func (s *Set[T]) Run(ctx context.Context) error {
	defer s.wg.Wait()
	if len(s.opt.Names) > 0 {
		s.adopt(ctx, s.opt.Names)
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(s.opt.Every)
	defer tick.Stop()
	for {
		s.list(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// list asks the source which documents there are. An error changes nothing, and is logged when it begins and when it ends.
func (s *Set[T]) list(ctx context.Context) {
	found, err := s.opt.Source.List(ctx, s.opt.Prefix)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	was := s.lastErr
	s.lastErr = err
	s.mu.Unlock()
	if err != nil {
		if was == nil {
			s.opt.Log.Warn("live documents cannot be listed", "prefix", s.opt.Prefix, "error", err.Error())
		}
		return
	}
	if was != nil {
		s.opt.Log.Info("live documents can be listed again", "prefix", s.opt.Prefix)
	}
	names := make([]string, 0, len(found))
	for _, full := range found {
		name, ok := strings.CutPrefix(full, s.opt.Prefix)
		if ok && name != "" && (s.opt.Valid == nil || s.opt.Valid(name)) {
			names = append(names, name)
		}
	}
	s.adopt(ctx, names)
	s.drop(names)
}

// adopt starts to watch the names that are new.
func (s *Set[T]) adopt(ctx context.Context, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.members[name] != nil {
			continue
		}
		v := New(Options[T]{Name: s.opt.Prefix + name, Source: s.opt.Source, Decode: s.opt.Decode, Log: s.opt.Log, Metrics: s.opt.Metrics})
		v.Subscribe(func(t T) { s.announce(name, t) })
		watch, cancel := context.WithCancel(ctx)
		s.members[name] = &member[T]{value: v, cancel: cancel}
		s.wg.Go(func() { _ = v.Run(watch) })
	}
	once(s.listed)
}

// drop forgets documents that are gone and never had a good form; one that had keeps it, and its alarm.
func (s *Set[T]) drop(listed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, m := range s.members {
		if h := m.value.Health(); h.Missing && !h.Loaded && !slices.Contains(listed, name) {
			m.cancel()
			delete(s.members, name)
			s.opt.Metrics.forget(s.opt.Prefix + name)
		}
	}
}

func (s *Set[T]) announce(name string, t T) {
	s.mu.RLock()
	subs := s.subs[:len(s.subs):len(s.subs)]
	s.mu.RUnlock()
	for _, fn := range subs {
		fn(name, t)
	}
}

// Get is the form in force of one document; ok is false if there is none.
func (s *Set[T]) Get(name string) (t T, ok bool) {
	s.mu.RLock()
	m := s.members[name]
	s.mu.RUnlock()
	if m == nil {
		return t, false
	}
	return m.value.Get()
}

// All are the forms in force, by name.
func (s *Set[T]) All() map[string]T {
	all := map[string]T{}
	for name, v := range s.values() {
		if t, ok := v.Get(); ok {
			all[name] = t
		}
	}
	return all
}

// Health is the state of every document, by name in order.
func (s *Set[T]) Health() []Health {
	var all []Health
	for _, v := range s.values() {
		all = append(all, v.Health())
	}
	slices.SortFunc(all, func(a, b Health) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Subscribe has fn called after every swap of a document. Calls for different documents may come at once; those for one document come
// one at a time. Call it before Run: what is in force already is not repeated.
func (s *Set[T]) Subscribe(fn func(name string, t T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, fn)
}

// Refresh decodes every document again, because something that they refer to may have changed.
func (s *Set[T]) Refresh() {
	for _, v := range s.values() {
		v.Refresh()
	}
}

// Wait blocks until every named document has a good form; when the source lists them, until all that it listed first have been
// looked at: one tenant's faulty document must not keep the others from being served. Its error is as Value.Wait's.
func (s *Set[T]) Wait(ctx context.Context) error {
	select {
	case <-s.listed:
	case <-ctx.Done():
		s.mu.RLock()
		defer s.mu.RUnlock()
		return chat.E(chat.Unavailable, "liveconfig", errors.Join(s.lastErr, ctx.Err()))
	}
	for _, v := range s.values() {
		if len(s.opt.Names) > 0 {
			if err := v.Wait(ctx); err != nil {
				return err
			}
			continue
		}
		select {
		case <-v.decided:
		case <-ctx.Done():
			return v.Wait(ctx)
		}
	}
	return nil
}

func (s *Set[T]) values() map[string]*Value[T] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]*Value[T], len(s.members))
	for name, m := range s.members {
		all[name] = m.value
	}
	return all
}
