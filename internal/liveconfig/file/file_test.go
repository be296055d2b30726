package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/liveconfig"
	"parley/internal/liveconfig/file"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// watch returns what a watch tells, "" for an absent document, without repetitions.
func watch(t *testing.T, s liveconfig.Source, name string) <-chan string {
	t.Helper()
	states := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		last := "none yet"
		err := s.Watch(ctx, name, func(content []byte, exists bool) {
			now := string(content)
			if !exists {
				now = ""
			}
			if now != last {
				last = now
				states <- now
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return states
}

func expect(t *testing.T, states <-chan string, want string) {
	t.Helper()
	select {
	case got := <-states:
		if got != want {
			t.Fatalf("told %q, want %q", got, want)
		}
	case <-time.After(time.Minute):
		t.Fatalf("never told %q", want)
	}
}

// overwrite is write without a moment in which the file is empty.
func overwrite(t *testing.T, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	doc := filepath.Join(dir, "doc.yaml")
	states := watch(t, file.New(dir), "doc")
	expect(t, states, "")
	write(t, doc, "one")
	expect(t, states, "one")
	overwrite(t, doc, "two") // in place, of the same size
	expect(t, states, "two")
	write(t, doc+".new", "six")
	rename(t, doc+".new", doc)
	expect(t, states, "six")
	if err := os.Remove(doc); err != nil {
		t.Fatal(err)
	}
	expect(t, states, "")
	write(t, doc, "back")
	expect(t, states, "back")
}

// TestMount swaps a folder as Kubernetes does with a mounted ConfigMap.
func TestMount(t *testing.T) {
	dir := t.TempDir()
	for n, content := range map[string]string{"..1": "one", "..2": "two"} {
		if err := os.Mkdir(filepath.Join(dir, n), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, n, "doc.yaml"), content)
	}
	link(t, "..1", filepath.Join(dir, "..data"))
	link(t, "..data/doc.yaml", filepath.Join(dir, "doc.yaml"))
	s := file.New(dir)
	states := watch(t, s, "doc")
	expect(t, states, "one")
	link(t, "..2", filepath.Join(dir, "..tmp"))
	rename(t, filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))
	expect(t, states, "two")
	if names, err := s.List(t.Context(), ""); err != nil || !cmp.Equal(names, []string{"doc"}) {
		t.Errorf("listed %v, %v", names, err)
	}
}

func TestUnreadableChangesNothing(t *testing.T) {
	dir := t.TempDir()
	doc := filepath.Join(dir, "doc.yaml")
	write(t, doc, "one")
	s := file.New(dir)
	states := watch(t, s, "doc")
	expect(t, states, "one")
	if err := os.Remove(doc); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(doc, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "doc"); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("a folder in the document's place: %v", err)
	}
	select {
	case got := <-states:
		if got != "" { // between Remove and Mkdir it was absent
			t.Errorf("told %q", got)
		}
	case <-time.After(time.Second):
	}
}

func TestGetAndList(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tenant.b.yaml"), "b")
	write(t, filepath.Join(dir, "tenant.a.yaml"), "a")
	write(t, filepath.Join(dir, "tenant.c.yml"), "c")
	write(t, filepath.Join(dir, "big.yaml"), strings.Repeat("x", 2<<20))
	if err := os.Mkdir(filepath.Join(dir, "tenant.d.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := file.New(dir)
	names, err := s.List(t.Context(), "tenant.")
	if diff := cmp.Diff([]string{"tenant.a", "tenant.b"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, tc := range []struct {
		name, content string
		exists, err   bool
	}{
		{"tenant.a", "a", true, false},
		{"tenant.x", "", false, false},
		{"big", "", false, true},
		{"../" + filepath.Base(dir) + "/tenant.a", "", false, true},
		{"", "", false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			content, exists, err := s.Get(t.Context(), tc.name)
			if string(content) != tc.content || exists != tc.exists || (err != nil) != tc.err {
				t.Errorf("got %q, %v, %v", content, exists, err)
			}
		})
	}
	if _, err := file.New(filepath.Join(dir, "none")).List(t.Context(), ""); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("an absent folder: %v", err)
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	s := file.New(dir)
	for _, tc := range []struct {
		name         string
		content, old []byte
		conflict     bool
	}{
		{"replace what does not exist", []byte("x"), []byte("y"), true},
		{"create", []byte("one"), nil, false},
		{"create what exists", []byte("x"), nil, true},
		{"replace another form", []byte("x"), []byte("zero"), true},
		{"replace", []byte("two"), []byte("one"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := s.Publish(t.Context(), "doc", tc.content, tc.old); errors.Is(err, liveconfig.ErrConflict) != tc.conflict || (err != nil) != tc.conflict {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := s.Publish(t.Context(), "../doc", []byte("x"), nil); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a name that leads out: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	held := filepath.Join(dir, "doc.yaml.lock")
	write(t, held, "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Publish(ctx, "doc", []byte("x"), []byte("two")); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), held) {
		t.Errorf("a lock left by a dead writer: %v", err)
	}
}

// TestPublishKeeps keeps the file's rights and a link in its place.
func TestPublishKeeps(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "real.yaml")
	write(t, target, "one")
	if err := os.Chmod(target, 0o640); err != nil {
		t.Fatal(err)
	}
	link(t, target, filepath.Join(dir, "doc.yaml"))
	if err := file.New(dir).Publish(t.Context(), "doc", []byte("two"), []byte("one")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if content, err := os.ReadFile(target); err != nil || string(content) != "two" {
		t.Errorf("%q, %v", content, err)
	}
}

// TestPublishRace lets many writers append by compare and set: no line may be lost, and no reader may meet half a file.
func TestPublishRace(t *testing.T) {
	s := file.New(t.TempDir())
	if err := s.Publish(t.Context(), "doc", []byte("."), nil); err != nil {
		t.Fatal(err)
	}
	const writers = 8
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				old, exists, err := s.Get(t.Context(), "doc")
				if err != nil || !exists {
					t.Errorf("a reader met %q, %v, %v", old, exists, err)
					return
				}
				if err := s.Publish(t.Context(), "doc", append(old[:len(old):len(old)], '.'), old); err == nil {
					return
				} else if !errors.Is(err, liveconfig.ErrConflict) && chat.KindOf(err) != chat.Unavailable { // who waited too long for the others' disk
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, _, err := s.Get(t.Context(), "doc"); err != nil || len(got) != writers+1 {
		t.Errorf("lost writes: %q, %v", got, err)
	}
}
