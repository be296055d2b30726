package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// mount is a folder of secrets as Kubernetes mounts one: each file is a symlink into a folder that is swapped as a whole. Safe for concurrent use.
type mount struct {
	dir string

	mu    sync.Mutex
	files map[string][]byte
	swaps int
}

func newMount(dir string) *mount { return &mount{dir: dir, files: map[string][]byte{}} }

func (m *mount) path(name string) string { return filepath.Join(m.dir, name) }

// put adds files or replaces them, all at one moment.
func (m *mount) put(files map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := fmt.Sprintf("..%d", m.swaps)
	m.swaps++
	now := fmt.Sprintf("..%d", m.swaps)
	if err := os.MkdirAll(m.path(now), 0o700); err != nil {
		return err
	}
	for name, content := range files {
		m.files[name] = content
	}
	for name, content := range m.files {
		if err := os.WriteFile(filepath.Join(m.path(now), name), content, 0o600); err != nil {
			return err
		}
	}
	if err := os.Symlink(now, m.path("..tmp")); err != nil {
		return err
	}
	if err := os.Rename(m.path("..tmp"), m.path("..data")); err != nil {
		return err
	}
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), m.path(name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return os.RemoveAll(m.path(old))
}

// text is put for secrets of one line.
func (m *mount) text(pairs ...string) error {
	files := map[string][]byte{}
	for i := 0; i+1 < len(pairs); i += 2 {
		files[pairs[i]] = []byte(pairs[i+1] + "\n")
	}
	return m.put(files)
}
