package rig

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"parley/test/realdeps"
)

// Options say what a rig is to have.
type Options struct {
	Keep bool      // leave the folder with all logs behind
	Log  io.Writer // what the rig does, one line each; nil: nothing
	// Nacos is host:port of a Nacos to use; empty: the one at PARLEY_TEST_NACOS or, without it, one of the rig's own.
	Nacos string
	// NacosPassword is that of its user nacos; empty: it wants no login.
	NacosPassword string
	Tags          string // build tags of bin/parley, separated by commas
	// Fsync is when Redis writes what it appended to the disk: always or everysec; empty: always, as production has it.
	Fsync string
	// Binary is a bin/parley that nodes are started with at first; empty: one built here.
	Binary string
	// Programs is a folder that [Build] has filled; empty: they are built anew.
	Programs string
	// Env is added to what every node of Parley gets, as NAME=value, and wins over it.
	Env []string
}

// Rig is a running set of programs. Its methods are safe for concurrent use, Close and Keep apart.
type Rig struct {
	Dir   string // the folder of all files: NAME.log is what the process NAME printed
	Redis *realdeps.Server
	Nacos Nacos
	// NacosServer is the rig's own Nacos; nil: it uses another's.
	NacosServer *realdeps.Server

	keep  bool
	log   io.Writer
	env   []string
	tags  string
	fsync string
	// programs has llmsim, wecomsim and parley.
	programs string
	binary   string // bin/parley
	llmsim   string
	wecom    string // bin/wecomsim

	mu        sync.Mutex
	documents []string
	closers   []func()
}

// New builds the programs and starts a Redis, which fsyncs every write unless told otherwise, and uses the Nacos at PARLEY_TEST_NACOS
// (host:port) or starts one, which takes 15 to 60 s. Whoever gets a Rig must Close it, at best in a defer.
func New(ctx context.Context, o Options) (*Rig, error) {
	dir, err := os.MkdirTemp("", "parley-rig-")
	if err != nil {
		return nil, err
	}
	r := &Rig{Dir: dir, programs: o.Programs, keep: o.Keep, env: o.Env, log: o.Log, tags: o.Tags, fsync: cmp.Or(o.Fsync, "always"), binary: o.Binary, Nacos: Nacos{Addr: cmp.Or(o.Nacos, os.Getenv("PARLEY_TEST_NACOS")), Password: o.NacosPassword}}
	if r.log == nil {
		r.log = io.Discard
	}
	if err := r.setUp(ctx); err != nil {
		r.keep = r.keep || ctx.Err() == nil // the logs may say why
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Rig) setUp(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.build, r.startRedis, r.startNacos} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Logf notes what the rig does.
func (r *Rig) Logf(format string, args ...any) {
	fmt.Fprintf(r.log, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
}

// Close ends all processes and removes the folder, unless it is kept.
func (r *Rig) Close() {
	r.mu.Lock()
	closers := r.closers
	r.closers = nil
	r.mu.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		closers[i]()
	}
	if r.keep {
		fmt.Fprintln(os.Stderr, "rig: the logs are in", r.Dir)
		return
	}
	_ = os.RemoveAll(r.Dir)
}

// Keep leaves the folder behind when the rig is closed: its logs tell why a run failed.
func (r *Rig) Keep() { r.keep = true }

// atEnd runs f when the rig is closed, the latest first.
func (r *Rig) atEnd(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closers = append(r.closers, f)
}

func (r *Rig) build(ctx context.Context) error {
	var err error
	if r.programs == "" {
		r.programs = filepath.Join(r.Dir, "bin")
		err = build(ctx, r.programs, r.tags, r.binary == "")
	}
	r.llmsim, r.wecom = filepath.Join(r.programs, "llmsim"), filepath.Join(r.programs, "wecomsim")
	r.binary = cmp.Or(r.binary, filepath.Join(r.programs, "parley"))
	return err
}

// Build builds the programs into a folder, for several rigs.
func Build(ctx context.Context, dir string) error { return build(ctx, dir, "", true) }

func build(ctx context.Context, dir, tags string, whole bool) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	programs := []string{"./test/llmsim", "./test/wecomsim"}
	if whole {
		programs = append(programs, "./cmd/parley")
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-tags", tags, "-o", dir + string(filepath.Separator)}, programs...)...)
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, said)
	}
	return nil
}

// Root is the project's folder, wherever below it the program runs.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("not inside the project: no go.mod")
	}
	return filepath.Dir(mod), nil
}

func (r *Rig) startRedis(ctx context.Context) (err error) {
	r.Redis, err = r.dependency(ctx, "redis", func(dir string) (*realdeps.Server, error) {
		return realdeps.StartRedis(ctx, realdeps.Redis{Dir: dir, Args: r.durable()})
	})
	return err
}

// durable is how production has Redis.
func (r *Rig) durable() []string {
	return []string{"--appendonly", "yes", "--appendfsync", r.fsync, "--maxmemory-policy", "noeviction"}
}

func (r *Rig) startNacos(ctx context.Context) error {
	r.Nacos.Namespace = "parley-rig-" + strings.ToLower(rand.Text()[:12])
	if r.Nacos.Addr == "" {
		s, err := r.dependency(ctx, "nacos", func(dir string) (*realdeps.Server, error) {
			return realdeps.StartNacos(ctx, realdeps.Nacos{Dir: dir})
		})
		if err != nil {
			return err
		}
		r.Nacos.Addr, r.NacosServer = s.Addr, s
	}
	if err := r.Nacos.create(ctx); err != nil {
		return fmt.Errorf("nacos at %s: %w", r.Nacos.Addr, err)
	}
	r.atEnd(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Nacos.drop(ctx, r.documents); err != nil {
			r.Logf("namespace %s stays: %v", r.Nacos.Namespace, err)
		}
	})
	return nil
}

func (r *Rig) dependency(ctx context.Context, name string, start func(dir string) (*realdeps.Server, error)) (*realdeps.Server, error) {
	dir := filepath.Join(r.Dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	began := time.Now()
	s, err := start(dir)
	if err != nil {
		return nil, err
	}
	r.atEnd(s.Stop)
	r.Logf("%s (pid %d) on %s, ready after %s", name, s.PID(), s.Addr, time.Since(began).Round(10*time.Millisecond))
	return s, ctx.Err()
}

// Publish writes a live document, or replaces it.
func (r *Rig) Publish(ctx context.Context, id, content string) error {
	r.mu.Lock()
	r.documents = append(r.documents, id)
	r.mu.Unlock()
	return r.Nacos.Publish(ctx, id, content)
}

// spawn starts a program that ends with the rig.
func (r *Rig) spawn(name string, env []string, program string, args ...string) (*Process, error) {
	p, err := start(r.Dir, name, env, program, args...)
	if err != nil {
		return nil, err
	}
	r.atEnd(p.Kill)
	r.Logf("%s is process %d", name, p.PID())
	return p, nil
}
