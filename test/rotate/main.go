// Command rotate changes every secret and certificate of a running Parley under load, each by the procedure in docs/rotation.md: the Redis
// password, with two valid ones and with one that is swapped; the Nacos password; the authority and the certificates of the RPC on both sides; the
// provider's key; the callbacks' token and AES key; the application's secret; the key of Nacos's own tokens. Two clients and two servers, a real Redis and a real Nacos with
// logins; all secrets are files that are swapped as Kubernetes swaps them. It ends with status 0 only if every message was answered once, by an
// answer, and no callback was refused.
//
//	go run ./test/rotate                    all, one after the other, three times; about five minutes
//	go run ./test/rotate -together          all at once
//	go run ./test/rotate -only redis,tls    some
//
// It starts a Nacos of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/test/crowd"
	"parley/test/realdeps"
	"parley/test/rig"
)

// plan is one run.
type plan struct {
	rate     int // messages a second
	rounds   int
	only     []string
	together bool
	forgiven int // see result
	keep     bool
	log      io.Writer
}

func main() {
	p := plan{log: os.Stderr}
	flag.IntVar(&p.rate, "rate", 40, "messages a second")
	flag.IntVar(&p.rounds, "rounds", 3, "how often each is rotated")
	flag.BoolVar(&p.together, "together", false, "rotate all at once")
	flag.BoolVar(&p.keep, "keep", false, "leave the logs behind")
	only := flag.String("only", strings.Join(names(), ","), "which to rotate")
	flag.Parse()
	p.only = strings.Split(*only, ",")
	unknown := func(name string) bool { return !slices.Contains(names(), name) }
	if flag.NArg() > 0 || p.rate < 1 || p.rounds < 1 || slices.ContainsFunc(p.only, unknown) {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := p.run(ctx)
	stop()
	if r != nil {
		fmt.Print(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rotate: FAILED:", err)
		os.Exit(1)
	}
}

const adminPassword = "the-admin-of-the-test"

// run gives what it found also with an error, which says what is wrong with it.
func (p plan) run(ctx context.Context) (r *result, err error) {
	dir, err := os.MkdirTemp("", "parley-rotate-nacos-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := &stage{people: crowd.New(), own: realdeps.Nacos{Dir: dir, Auth: true, Password: adminPassword, TokenLife: time.Minute}}
	if s.server, err = realdeps.StartNacos(ctx, s.own); err != nil {
		return nil, err
	}
	defer func() { s.server.Kill() }()
	g, err := rig.New(ctx, rig.Options{Keep: p.keep, Log: p.log, Nacos: s.server.Addr, NacosPassword: adminPassword})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.Keep()
		}
		g.Close()
	}()
	s.rig = g
	defer s.close()
	if err := s.raise(ctx); err != nil {
		return nil, err
	}
	end := s.talk(ctx, p.rate)
	pause(ctx, 3*time.Second)
	r = &result{forgiven: p.forgiven}
	for range p.rounds {
		if err = p.round(ctx, s, r); err != nil {
			break
		}
	}
	if err == nil {
		err = errors.Join(s.serversWereThere(ctx, p.forgiven), s.restartOneOfEach(ctx))
	}
	pause(ctx, 3*time.Second)
	end()
	if jerr := s.judge(ctx, r); err == nil {
		err = jerr
	}
	return r, err
}

// round rotates each once.
func (p plan) round(ctx context.Context, s *stage, r *result) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, step := range rotations() {
		if !slices.Contains(p.only, step.name) {
			continue
		}
		one := func() {
			began := time.Now()
			s.rig.Logf("rotate %s", step.name)
			err := step.do(s, ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
				return
			}
			r.done = append(r.done, rotated{step.name, time.Since(began)})
		}
		if p.together && step.name != nacosKey {
			wg.Go(one)
			continue
		}
		wg.Wait()
		if one(); len(errs) > 0 {
			break
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
