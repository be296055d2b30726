package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/internal/chat"
)

// maxFile bounds a secret's file; the largest that belongs here is a PEM key.
const maxFile = 64 << 10

// signature tells two states of a file apart without keeping what it holds.
type signature struct {
	exists bool
	size   int64
	mtime  time.Time
	target string // where symlinks lead: Kubernetes swaps a folder, and file times may be equal
}

func sign(path string) signature {
	info, err := os.Stat(path)
	if err != nil {
		return signature{}
	}
	target, _ := filepath.EvalSymlinks(path)
	return signature{exists: true, size: info.Size(), mtime: info.ModTime(), target: target}
}

// folder is where the scope's file: references are read.
func (s Scope) folder() string {
	switch s.kind {
	case tenant, routes:
		return filepath.Join(s.store.dir, s.name)
	default:
		return s.store.dir
	}
}

func (s Scope) fromFile(name string) (chat.Secret, error) {
	if name == "" || !filepath.IsLocal(name) || strings.Contains(name, `\`) || filepath.Clean(name) != name {
		return chat.Secret{}, forbidden("names no file inside its own folder; write file:NAME without .. and without a leading /")
	}
	if s.store.dir == "" {
		return chat.Secret{}, absent("file: references need secrets.dir in the static configuration")
	}
	path := filepath.Join(s.folder(), name)
	s.store.track(path)
	value, err := readWithin(s.folder(), name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return chat.Secret{}, absent(fmt.Sprintf("the file %s does not exist; create it with the secret as its content", path))
	case err != nil:
		return chat.Secret{}, chat.E(chat.Forbidden, "secret", fmt.Errorf("the file %s cannot be read: %w", path, err))
	case value == "":
		return chat.Secret{}, absent(fmt.Sprintf("the file %s is empty; write the secret into it", path))
	}
	return chat.NewSecret(value), nil
}

// readWithin reads a small regular file below dir. os.Root keeps symlinks and .. from leading out of dir, also while they change.
func readWithin(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return "", errors.New("it is not a regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("it holds more than %d bytes", maxFile)
	}
	return strings.TrimRight(string(b), "\r\n"), nil // editors and echo end files with a newline that is no part of the secret
}

// track remembers a file's state from before it is read, so that a change during the read is seen by the next poll.
func (s *Store) track(path string) {
	sig := sign(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = sig
}
