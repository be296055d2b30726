package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/liveconfig"
	"parley/internal/liveconfig/snapshot"
)

// nacos is a source that answers when it is told to.
type nacos struct {
	mu   sync.Mutex
	docs map[string]string // nil: it hangs
	news map[string]chan struct{}
}

func (n *nacos) set(docs map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.docs = docs
	for _, c := range n.news {
		c <- struct{}{}
	}
}

func (n *nacos) Watch(ctx context.Context, name string, fn func([]byte, bool)) error {
	news := make(chan struct{}, 10)
	n.mu.Lock()
	if n.news == nil {
		n.news = map[string]chan struct{}{}
	}
	n.news[name] = news
	n.mu.Unlock()
	for {
		n.mu.Lock()
		c, ok := n.docs[name]
		hangs := n.docs == nil
		n.mu.Unlock()
		if !hangs {
			fn([]byte(c), ok)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

func (n *nacos) List(ctx context.Context, prefix string) (names []string, err error) {
	n.mu.Lock()
	docs := n.docs
	n.mu.Unlock()
	if docs == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name := range docs {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (n *nacos) Get(context.Context, string) ([]byte, bool, error) {
	return nil, false, errors.New("hangs")
}

func (n *nacos) Publish(context.Context, string, []byte, []byte) error { return errors.New("hangs") }

const after = 5 * time.Second

// life is a process: a value over the source and the folder.
func life(t *testing.T, n *nacos, dir string, log *bytes.Buffer, f func(s *snapshot.Source, v *liveconfig.Value[string])) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	s, err := snapshot.New(n, dir, after, logger)
	if err != nil {
		t.Fatal(err)
	}
	v := liveconfig.New(liveconfig.Options[string]{Name: "tenant.acme", Source: s, Decode: func(d liveconfig.Document) (string, error) {
		if strings.HasPrefix(string(d.Content), "bad") {
			return "", errors.New("faulty")
		}
		return string(d.Content), nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = v.Run(ctx) }()
	synctest.Wait()
	f(s, v)
	cancel()
	<-done
}

// inForce is the value's form and whether it is a snapshot.
func inForce(v *liveconfig.Value[string]) string {
	form, ok := v.Get()
	if !ok {
		form = "none"
	}
	if !v.Health().Stale.IsZero() {
		form += ", kept"
	}
	return form
}

func TestAStartWithoutTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "new", "folder")
		var log bytes.Buffer
		check := func(step, want string, v *liveconfig.Value[string]) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, inForce(v)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step, diff)
			}
		}
		life(t, &nacos{}, dir, &log, func(_ *snapshot.Source, v *liveconfig.Value[string]) {
			time.Sleep(time.Hour)
			check("nothing was ever kept", "none", v)
		})
		life(t, &nacos{docs: map[string]string{"tenant.acme": "one"}}, dir, &log, func(s *snapshot.Source, v *liveconfig.Value[string]) {
			check("it answers", "one", v)
			n := s.Source.(*nacos)
			n.set(map[string]string{"tenant.acme": "two"})
			check("a change", "two", v)
			n.set(map[string]string{"tenant.acme": "bad"})
			check("a faulty form", "two", v)
			n.set(nil)
			time.Sleep(time.Hour)
			check("it hangs later: nothing changes", "two", v)
		})
		log.Reset()
		life(t, &nacos{}, dir, &log, func(s *snapshot.Source, v *liveconfig.Value[string]) {
			time.Sleep(after - time.Second)
			check("it may be late", "none", v)
			time.Sleep(2 * time.Second)
			check("it hangs: the last good form", "two, kept", v)
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "which may be out of date") {
				t.Errorf("the log does not say it: %s", log.String())
			}
			s.Source.(*nacos).set(map[string]string{"tenant.acme": "two"})
			check("it answers with the same", "two", v)
			s.Source.(*nacos).set(map[string]string{"tenant.acme": "three"})
			check("and with another", "three", v)
		})
		life(t, &nacos{docs: map[string]string{"tenant.acme": "bad"}}, dir, &log, func(_ *snapshot.Source, v *liveconfig.Value[string]) {
			time.Sleep(time.Hour)
			check("it answers with a faulty form: that is its word", "none", v)
		})
		life(t, &nacos{}, dir, &log, func(_ *snapshot.Source, v *liveconfig.Value[string]) {
			time.Sleep(time.Hour)
			check("the last good form of all lives", "three, kept", v)
		})
	})
}

func TestListWithoutTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log := &nacos{}, slog.New(slog.DiscardHandler)
		s, err := snapshot.New(n, t.TempDir(), after, log)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.List(t.Context(), "tenant."); err == nil {
			t.Errorf("an empty folder lists %v", got)
		}
		for _, name := range []string{"tenant.beta", "tenant.acme", "parley-routes", "tenant.../../etc/x"} {
			s.Keep(name, []byte("x"))
		}
		got, err := s.List(t.Context(), "tenant.")
		if diff := cmp.Diff([]string{"tenant.../../etc/x", "tenant.acme", "tenant.beta"}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		n.set(map[string]string{"tenant.new": "x"})
		if got, err := s.List(t.Context(), "tenant."); err != nil || !cmp.Equal(got, []string{"tenant.new"}) {
			t.Errorf("it answers: %v, %v", got, err)
		}
		n.set(nil)
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got, err := s.List(short, "tenant."); err == nil {
			t.Errorf("what it listed once is newer than the folder, which lists %v", got)
		}
	})
}

func TestTheFolderIsItsUsersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	s, err := snapshot.New(&nacos{}, dir, after, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Keep("tenant.acme", []byte("one"))
	s.Keep("tenant.acme", []byte("two"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v: temporary files stay", entries, err)
	}
	for file, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "tenant.acme"): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", file, info.Mode(), err, want)
		}
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.New(&nacos{}, dir, after, nil); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "others may write to "+dir) {
		t.Errorf("a folder that others write: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.New(&nacos{}, file, after, nil); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a file as the folder: %v", err)
	}
}

// Whoever may write to the folder that holds the documents' could put another in its place; in one with the sticky bit, such as /tmp, nobody can.
func TestTheFolderAroundIsItsUsersToo(t *testing.T) {
	for _, c := range []struct {
		name string
		mode os.FileMode
		want string
	}{
		{"its own", 0o700, ""},
		{"readable", 0o755, ""},
		{"everybody's", 0o777, "others may write to "},
		{"a group's", 0o770, "others may write to "},
		{"everybody's, sticky", 0o777 | os.ModeSticky, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			around := filepath.Join(t.TempDir(), "kept")
			if err := errors.Join(os.Mkdir(around, 0o700), os.Chmod(around, c.mode)); err != nil {
				t.Fatal(err)
			}
			_, err := snapshot.New(&nacos{}, filepath.Join(around, "documents"), after, slog.New(slog.DiscardHandler))
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" && (chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), c.want+around+" ")) {
				t.Errorf("error %v, want one that says %q of %s", err, c.want, around)
			}
		})
	}
}

// A start needs nothing written, so that it goes on; but the operator reads of it now, not when Nacos is away.
func TestAFolderThatCannotBeWrittenIsReported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if probe, err := os.CreateTemp(dir, ""); err == nil {
		_ = probe.Close()
		t.Skip("this user may write everywhere")
	}
	var log bytes.Buffer
	if _, err := snapshot.New(&nacos{}, dir, after, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "nothing can be kept") || !strings.Contains(log.String(), dir) {
		t.Errorf("the log says %q", log.String())
	}
}
