// Package file is the liveconfig source of a folder: the document NAME is the file NAME.yaml. It polls, because that is what works on
// every file system, with editors that write in place and with Kubernetes' symlink swaps.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

const (
	suffix = ".yaml"
	// period is how often a watch looks. A change must look the same twice, so it is in force within two periods and a bit.
	period  = 200 * time.Millisecond
	maxSize = 1 << 20
)

// Source is a folder of documents. Safe for concurrent use.
type Source struct{ dir string }

var _ liveconfig.Source = (*Source)(nil)

// New makes the source of dir, which need not exist yet.
func New(dir string) *Source { return &Source{dir: dir} }

// Get implements liveconfig.Source.
func (s *Source) Get(_ context.Context, name string) ([]byte, bool, error) {
	content, exists, err := s.read(name)
	if err != nil {
		return nil, false, chat.E(chat.Unavailable, "liveconfig.file", err)
	}
	return content, exists, nil
}

func (s *Source) path(name string) string { return filepath.Join(s.dir, name+suffix) }

// valid keeps names, which may come from outside, inside the folder.
func valid(name string) error {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("%q is not a document's name", name)
	}
	return nil
}

func (s *Source) read(name string) ([]byte, bool, error) {
	if err := valid(name); err != nil {
		return nil, false, err
	}
	info, err := os.Stat(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, false, fmt.Errorf("%s is not a file of at most %d bytes", s.path(name), maxSize)
	}
	content, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return content, err == nil, err
}

// state is what one look at a file saw.
type state struct {
	content []byte
	exists  bool
}

func (a state) equal(b state) bool { return a.exists == b.exists && bytes.Equal(a.content, b.content) }

// judge decides which looks at a file are told. A change is believed when two looks agree: one alone may have met a writer halfway, or
// between remove and rename.
type judge struct {
	told, last state
	begun      bool
}

func (j *judge) tell(now state) bool {
	news := !j.begun || now.equal(j.last) && !now.equal(j.told)
	j.begun, j.last = true, now
	if news {
		j.told = now
	}
	return news
}

// Watch implements liveconfig.Source. A file that cannot be read (but exists) is left as it was.
func (s *Source) Watch(ctx context.Context, name string, fn func([]byte, bool)) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	var j judge
	for {
		if content, exists, err := s.read(name); err == nil && j.tell(state{content, exists}) {
			fn(content, exists)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// List implements liveconfig.Source.
func (s *Source) List(_ context.Context, prefix string) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, chat.E(chat.Unavailable, "liveconfig.file", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && strings.HasPrefix(name, prefix) && !e.IsDir() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Publish implements liveconfig.Source: the file is replaced by a rename, so no reader sees half of it. Publishers exclude each other by
// NAME.yaml.lock; editors know nothing of it.
func (s *Source) Publish(ctx context.Context, name string, content, old []byte) error {
	if err := valid(name); err != nil {
		return chat.E(chat.Invalid, "liveconfig.file", err)
	}
	unlock, err := s.lock(ctx, name)
	if err != nil {
		return chat.E(chat.Unavailable, "liveconfig.file", err)
	}
	defer unlock()
	now, exists, err := s.read(name)
	if err != nil {
		return chat.E(chat.Unavailable, "liveconfig.file", err)
	}
	if exists != (old != nil) || !bytes.Equal(now, old) {
		return liveconfig.ErrConflict
	}
	if err := s.replace(name, content); err != nil {
		return chat.E(chat.Unavailable, "liveconfig.file", err)
	}
	return nil
}

func (s *Source) replace(name string, content []byte) error {
	mode := fs.FileMode(0o644)
	path, err := filepath.EvalSymlinks(s.path(name)) // keep a link that the operator made
	if err != nil {
		path = s.path(name)
	} else if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is none
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (s *Source) lock(ctx context.Context, name string) (unlock func(), err error) {
	path := s.path(name) + ".lock"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			_ = f.Close()
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is held by another writer; if none is running, remove it", path)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
