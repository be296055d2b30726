// Package snapshot lets a process start while the source of its live documents does not answer: it keeps the last good form of each in a
// folder, and gives that out until the source has spoken. A document holds references to secrets, never secrets; what it decides, such as which
// providers may see a tenant's data, can be out of date in a snapshot, so a process says loudly that it runs on one.
//
// The folder is written by one user alone: NAME, with what no file name should hold escaped, mode 0600, replaced as a whole.
package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// Source is another source with a folder behind it. Get and Publish are the other's. Safe for concurrent use.
type Source struct {
	liveconfig.Source
	dir    string
	after  time.Duration
	log    *slog.Logger
	listed atomic.Bool // the source has listed its documents

	mu    sync.Mutex
	stale map[string]time.Time // documents given out from the folder, by when they were kept
}

var _ liveconfig.Keeper = (*Source)(nil)

// New puts a folder, which it makes, behind a source: a document that the source has not told of after so long is taken from there. Its errors
// (kind Invalid) say what is wrong with the folder, or with the one that holds it: whoever may write there could put another in its place. That
// nothing can be written is logged and no error: a start with a source that answers needs nothing of it.
func New(source liveconfig.Source, dir string, after time.Duration, log *slog.Logger) (*Source, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, invalid("%w; choose a folder that the user of this process may write to", err)
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		info, err := os.Stat(d)
		if err != nil {
			return nil, invalid("%w", err)
		}
		if mode := info.Mode(); mode.Perm()&0o022 != 0 && (d == dir || mode&os.ModeSticky == 0) {
			return nil, invalid("others may write to %s (%v): chmod 700 it, or choose another folder", d, mode.Perm())
		}
	}
	if err := writable(dir); err != nil {
		log.Warn("nothing can be kept for a start without the source of live documents; let the user of this process write to the folder",
			"folder", dir, "error", err.Error())
	}
	return &Source{Source: source, dir: dir, after: after, log: log, stale: map[string]time.Time{}}, nil
}

func invalid(format string, args ...any) error {
	return chat.E(chat.Invalid, "liveconfig.snapshot", fmt.Errorf(format, args...))
}

func writable(dir string) error {
	probe, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_ = probe.Close()
	return os.Remove(probe.Name())
}

// Watch implements liveconfig.Source.
func (s *Source) Watch(ctx context.Context, name string, fn func(content []byte, exists bool)) error {
	var mu sync.Mutex // one call of fn at a time
	answered := false
	timer := time.AfterFunc(s.after, func() {
		mu.Lock()
		defer mu.Unlock()
		if answered || ctx.Err() != nil {
			return
		}
		if content, ok := s.recall(name); ok {
			fn(content, true)
		}
	})
	defer timer.Stop()
	return s.Source.Watch(ctx, name, func(content []byte, exists bool) {
		mu.Lock()
		defer mu.Unlock()
		answered = true
		s.refresh(name)
		fn(content, exists)
	})
}

// List implements liveconfig.Source: until the source has listed its documents once, those in the folder are the list.
func (s *Source) List(ctx context.Context, prefix string) ([]string, error) {
	if s.listed.Load() {
		return s.Source.List(ctx, prefix)
	}
	short, cancel := context.WithTimeout(ctx, s.after)
	defer cancel()
	names, err := s.Source.List(short, prefix)
	if err == nil {
		s.listed.Store(true)
		return names, nil
	}
	if kept := s.kept(prefix); len(kept) > 0 && ctx.Err() == nil {
		return kept, nil
	}
	return nil, err
}

// Keep implements liveconfig.Keeper.
func (s *Source) Keep(name string, content []byte) {
	if _, stale := s.Stale(name); stale {
		return // it is what the folder holds
	}
	file := s.file(name)
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, content) {
		return
	}
	if err := write(file, content); err != nil {
		s.log.Warn("the last good form of a live document is not kept for a start without its source", "document", name, "error", err.Error())
	}
}

// Stale implements liveconfig.Keeper.
func (s *Source) Stale(name string) (kept time.Time, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, stale = s.stale[name]
	return kept, stale
}

// recall reads what was kept of a document and notes that it is given out.
func (s *Source) recall(name string) (content []byte, ok bool) {
	file := s.file(name)
	info, err := os.Stat(file)
	if err == nil {
		content, err = os.ReadFile(file)
	}
	if err != nil {
		s.log.Warn("the source of live documents does not answer, and no form of this one was kept here", "document", name, "error", err.Error())
		return nil, false
	}
	s.mu.Lock()
	s.stale[name] = info.ModTime()
	s.mu.Unlock()
	s.log.Error("the source of live documents does not answer: this process starts with the form that was kept here, which may be out of date",
		"document", name, "revision", liveconfig.Revision(content), "kept", info.ModTime())
	return content, true
}

// refresh notes that the source itself has told of a document.
func (s *Source) refresh(name string) {
	s.mu.Lock()
	_, was := s.stale[name]
	delete(s.stale, name)
	s.mu.Unlock()
	if was {
		s.log.Info("the source of live documents answers: the form that was kept here is not needed any more", "document", name)
	}
}

// kept lists the documents in the folder that begin with prefix.
func (s *Source) kept(prefix string) (names []string) {
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		name, err := url.PathUnescape(e.Name())
		if err == nil && strings.HasPrefix(name, prefix) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Source) file(name string) string { return filepath.Join(s.dir, url.PathEscape(name)) }

// write replaces a file as a whole: a process that is killed meanwhile leaves the old one.
func write(file string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already where all went well
	_, err = tmp.Write(content)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
