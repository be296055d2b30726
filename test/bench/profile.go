package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// profiles collects what every Parley process of a stage tells of itself while it is measured, for `go tool pprof`. The figures of a run
// with profiles are a little worse than those of one without.
type profiles struct{ dir string }

// during profiles the processor for d from now, and takes heap and goroutines at its end. wait blocks until the files are written.
func (p profiles) during(ctx context.Context, s *stage, name string, d time.Duration) (wait func() error) {
	if p.dir == "" {
		return func() error { return nil }
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, n := range s.nodes() {
		wg.Go(func() {
			var err error
			for _, kind := range []string{fmt.Sprintf("profile?seconds=%d", max(1, int(d.Seconds()))), "heap", "goroutine", "allocs", "mutex", "block"} {
				what, _, _ := strings.Cut(kind, "?")
				err = errors.Join(err, fetch(ctx, "http://"+n.Debug+"/debug/pprof/"+kind, filepath.Join(p.dir, name+"-"+n.Name+"-"+what+".pb.gz")))
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	return func() error { wg.Wait(); return errors.Join(errs...) }
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
