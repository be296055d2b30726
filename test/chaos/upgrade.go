package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/test/rig"
)

// binaries are an earlier revision's bin/parley and this tree's, and which of them a process starts with.
type binaries struct {
	dir      string
	old, new string

	mu     sync.Mutex
	random *rand.Rand
	forced string // empty: the dice decide
}

// buildBoth builds both, the old one from git's history in a folder of its own. Call remove.
func buildBoth(ctx context.Context, revision string) (b *binaries, err error) {
	root, err := rig.Root(ctx)
	if err != nil {
		return nil, err
	}
	commit, err := find(ctx, root, revision)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "parley-old-")
	if err != nil {
		return nil, err
	}
	b = &binaries{dir: dir, old: filepath.Join(dir, "old", "parley"), new: filepath.Join(dir, "new", "parley")}
	defer func() {
		if err != nil {
			b.remove()
		}
	}()
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return nil, err
	}
	archive := filepath.Join(dir, "tree.tar")
	for _, step := range []struct {
		in   string
		args []string
	}{
		{root, []string{"git", "archive", "--format=tar", "-o", archive, commit}},
		{tree, []string{"tar", "-xf", archive}},
		{tree, []string{"go", "build", "-trimpath", "-ldflags", "-X main.stamped=" + commit[:12], "-o", b.old, "./cmd/parley"}},
		{root, []string{"go", "build", "-trimpath", "-ldflags", "-X main.stamped=this-tree", "-o", b.new, "./cmd/parley"}},
	} {
		if said, err := command(ctx, step.in, step.args...); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(step.args[:2], " "), err, said)
		}
	}
	return b, os.RemoveAll(tree)
}

func (b *binaries) remove() { _ = os.RemoveAll(b.dir) }

// errNoRevision: what to compare with is not in this clone.
var errNoRevision = errors.New("is not in this clone")

// find gives a revision's commit.
func find(ctx context.Context, root, revision string) (string, error) {
	out, err := command(ctx, root, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if err == nil {
		return strings.TrimSpace(out), nil
	}
	mend := "name a revision that git log shows"
	if shallow, err := command(ctx, root, "git", "rev-parse", "--is-shallow-repository"); err != nil {
		mend = "it needs a git clone with its history, not a copy of the files alone"
	} else if strings.TrimSpace(shallow) == "true" {
		mend = "the clone is shallow: git fetch --unshallow brings the rest"
	}
	return "", fmt.Errorf("revision %s %w: %s", revision, errNoRevision, mend)
}

func command(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// strike has all parts struck as ever, and sees to it that every process was upgraded, and rolled back: first the old binary alone, then
// both, then this tree's alone, both again, and in the end the old one.
func (b *binaries) strike(ctx, until context.Context, p plan, st *strikes, s *stage) error {
	b.random = rand.New(rand.NewPCG(p.seed, 2))
	var nodes []*victim
	for _, n := range s.nodes() {
		n.mu.Lock()
		n.pick = b.pick
		n.mu.Unlock()
		nodes = append(nodes, &n.victim)
	}
	acts := rand.New(rand.NewPCG(p.seed, 3))
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, to := range []struct {
			binary string
			at     float64 // share of the time
		}{{b.new, 0.3}, {b.old, 0.65}} {
			pause(until, time.Until(began.Add(time.Duration(to.at*float64(p.length)))))
			b.only(to.binary)
			st.round(ctx, ctx, nodes, func() string { return []string{"term", "kill"}[acts.IntN(2)] })
			s.rig.Logf("all processes run %s", filepath.Base(filepath.Dir(to.binary)))
			if to.binary == b.new {
				b.only("")
			}
		}
	})
	err := st.run(ctx, until, p.seed, s.lanes(p.only))
	wg.Wait()
	return errors.Join(err, st.result(ctx))
}

// only has all processes start with one binary from now on; empty: with either.
func (b *binaries) only(binary string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forced = binary
}

// pick says which binary a process starts with now.
func (b *binaries) pick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.forced, []string{b.old, b.new}[b.random.IntN(2)])
}

// mixed counts the starts, and judges that there was something to see: every process ran this tree's binary, and the old one after it.
func (r *result) mixed(nodes []*player) {
	r.Started = map[string]int{}
	for _, p := range nodes {
		p.mu.Lock()
		ran := slices.Clone(p.ran)
		p.mu.Unlock()
		var upgraded, back bool
		for _, binary := range ran {
			name := filepath.Base(filepath.Dir(binary))
			r.Started[name]++
			upgraded = upgraded || name == "new"
			back = back || upgraded && name == "old"
		}
		if !back {
			r.Account.fault("unproven", "%s was not upgraded and rolled back: the run was too short", p.name)
		}
	}
}
