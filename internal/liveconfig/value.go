package liveconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

// Options make a Value.
type Options[T any] struct {
	Name   string // the document's, as in the source
	Source Source
	// Decode makes a value of a form of the document, or says everything that is wrong with it. It may be called again for the same
	// content after Refresh; it must not keep Content.
	Decode func(Document) (T, error)
	// Absent, if set, is in force while the document has never existed: then it is not needed for Wait.
	Absent  *T
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time // nil: time.Now
}

// Value is a watched document. Its methods are safe for concurrent use; Get never blocks.
type Value[T any] struct {
	opt     Options[T]
	current atomic.Pointer[T]
	health  atomic.Pointer[Health]
	loaded  chan struct{} // closed once current is set
	decided chan struct{} // closed once the source said anything

	mu     sync.Mutex // guards what follows, and makes one change at a time
	newest []byte     // the content that the source last gave, in force or refused
	exists bool       // whether the source last said that there is one
	good   []byte     // the content in force
	subs   []func(T)
}

// Health is the state of a document in this process.
type Health struct {
	Name     string
	Revision string    // of the form in force; empty: none yet, or Absent's
	Since    time.Time // when that form was taken over
	Refused  error     // what is wrong with the newest form; nil: it is in force
	Missing  bool      // the source says that it does not exist
	Loaded   bool      // some form is in force
	Stale    time.Time // when the form in force was kept, if the source has not spoken since the start ([Keeper]); else zero
}

// New makes a Value that has nothing until Run is called.
func New[T any](opt Options[T]) *Value[T] {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	v := &Value[T]{opt: opt, loaded: make(chan struct{}), decided: make(chan struct{})}
	v.health.Store(&Health{Name: opt.Name})
	return v
}

// Run watches the document until ctx ends and returns why.
func (v *Value[T]) Run(ctx context.Context) error {
	return v.opt.Source.Watch(ctx, v.opt.Name, v.apply)
}

// Get is the form in force; ok is false before the first good one. Callers must not change what it points to.
func (v *Value[T]) Get() (t T, ok bool) {
	p := v.current.Load()
	if p == nil {
		return t, false
	}
	return *p, true
}

// Health is the document's state now.
func (v *Value[T]) Health() Health {
	h := *v.health.Load()
	if k, ok := v.opt.Source.(Keeper); ok {
		h.Stale, _ = k.Stale(v.opt.Name)
	}
	return h
}

// Wait blocks until some form is in force. When ctx ends first, its error (kind Unavailable) says what is in the way.
func (v *Value[T]) Wait(ctx context.Context) error {
	select {
	case <-v.loaded:
		return nil
	case <-ctx.Done():
		return chat.E(chat.Unavailable, "liveconfig", fmt.Errorf("%s: %w", v.opt.Name, errors.Join(v.why(), ctx.Err())))
	}
}

// Known blocks until the source has said anything of the document: its form is in force, refused, or there is none. For documents that a
// process can do without.
func (v *Value[T]) Known(ctx context.Context) error {
	select {
	case <-v.decided:
		return nil
	case <-ctx.Done():
		return chat.E(chat.Unavailable, "liveconfig", fmt.Errorf("%s: %w", v.opt.Name, errors.Join(v.why(), ctx.Err())))
	}
}

func (v *Value[T]) why() error {
	switch h := v.Health(); {
	case h.Refused != nil:
		return h.Refused
	case h.Missing:
		return errors.New("does not exist; publish it")
	default:
		return errors.New("could not be read yet; is the source reachable?")
	}
}

// Subscribe has fn called with the form in force, if there is one, and after every swap. Calls come one at a time and must not block
// long, nor call back into this Value's Subscribe or Refresh.
func (v *Value[T]) Subscribe(fn func(T)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.subs = append(v.subs, fn)
	if p := v.current.Load(); p != nil {
		fn(*p)
	}
}

// Refresh decodes the document again, because something that it refers to may have changed. While its newest form is refused or
// gone, this brings the last good form up to date.
func (v *Value[T]) Refresh() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.exists && v.decode(v.newest) || v.good == nil || bytes.Equal(v.good, v.newest) && v.exists {
		return
	}
	if t, err := v.form(v.good); err == nil {
		v.swap(t, Revision(v.good))
	}
}

// apply takes what the source says.
func (v *Value[T]) apply(content []byte, exists bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	same := v.exists && exists && bytes.Equal(content, v.newest)
	v.exists = exists
	switch {
	case same:
	case exists:
		v.newest = append([]byte{}, content...)
		v.decode(v.newest)
	case !v.Health().Missing:
		v.newest = nil
		v.missing()
	}
	once(v.decided)
}

func (v *Value[T]) missing() {
	v.update(func(h *Health) { h.Missing, h.Refused = true, nil })
	switch {
	case v.good != nil:
		v.opt.Log.Error("live document has disappeared; its last good form stays in force", "document", v.opt.Name, "revision", v.Health().Revision)
	case v.opt.Absent != nil:
		v.swap(*v.opt.Absent, "")
	default:
		v.opt.Log.Warn("live document does not exist", "document", v.opt.Name)
	}
}

func (v *Value[T]) form(content []byte) (T, error) {
	return v.opt.Decode(Document{Name: v.opt.Name, Content: bytes.Clone(content), Revision: Revision(content)})
}

// decode takes content over if it is good and reports whether it was.
func (v *Value[T]) decode(content []byte) bool {
	revision, was := Revision(content), v.Health()
	t, err := v.form(content)
	v.update(func(h *Health) { h.Refused, h.Missing = err, false })
	if err != nil {
		log := v.opt.Log.With("document", v.opt.Name, "refused", revision, "revision", was.Revision, "faults", err.Error())
		if v.good == nil {
			log.Error("live document refused; no good form of it is in force here")
		} else {
			log.Error("live document refused; the last good form stays in force")
		}
		return false
	}
	v.good = content
	v.swap(t, revision)
	if k, ok := v.opt.Source.(Keeper); ok {
		k.Keep(v.opt.Name, content)
	}
	if was.Revision != revision || was.Missing || was.Refused != nil {
		v.opt.Log.Info("live document in force", "document", v.opt.Name, "revision", revision)
	}
	return true
}

func (v *Value[T]) swap(t T, revision string) {
	v.current.Store(&t)
	now := v.opt.Now()
	v.update(func(h *Health) {
		if !h.Loaded || h.Revision != revision {
			h.Since = now
		}
		h.Revision, h.Loaded = revision, true
	})
	once(v.loaded)
	for _, fn := range v.subs {
		fn(t)
	}
}

func (v *Value[T]) update(change func(*Health)) {
	was := *v.health.Load()
	h := was
	change(&h)
	v.health.Store(&h)
	v.opt.Metrics.set(was, h, v.opt.Absent != nil)
}

// once closes a channel; the caller holds mu.
func once(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}
