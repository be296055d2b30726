package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

// profiles collects what every Go process of a stage tells of itself while it is measured, this one included, for `go tool pprof`. The
// figures of a run with profiles are a little worse than those of one without.
type profiles struct{ dir string }

// during profiles the processor for d from now, and takes heap and goroutines at its end. wait blocks until the files are written.
func (p profiles) during(ctx context.Context, s *stage, mode string, d time.Duration) (wait func() error) {
	if p.dir == "" {
		return func() error { return nil }
	}
	debug := map[string]string{"llmsim": s.model.Debug}
	for _, n := range s.nodes() {
		debug[n.Name] = n.Debug
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(debug)+1)
	for name, addr := range debug {
		wg.Go(func() { errs <- p.process(ctx, addr, filepath.Join(p.dir, mode+"-"+name), d) })
	}
	wg.Go(func() { errs <- p.self(filepath.Join(p.dir, mode+"-bench"), d) })
	return func() error {
		wg.Wait()
		close(errs)
		var all error
		for err := range errs {
			all = errors.Join(all, err)
		}
		return all
	}
}

func (p profiles) process(ctx context.Context, addr, file string, d time.Duration) (err error) {
	for _, kind := range []string{fmt.Sprintf("profile?seconds=%d", max(1, int(d.Seconds()))), "heap", "goroutine", "allocs", "mutex", "block"} {
		what, _, _ := strings.Cut(kind, "?")
		err = errors.Join(err, fetch(ctx, "http://"+addr+"/debug/pprof/"+kind, file+"-"+what+".pb.gz"))
	}
	return err
}

// self is the load generator's own.
func (p profiles) self(file string, d time.Duration) error {
	f, err := os.Create(file + "-profile.pb.gz")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	time.Sleep(d)
	pprof.StopCPUProfile()
	return f.Close()
}

func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
