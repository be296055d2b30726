package rpc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
)

// A life of a watcher sees a Nacos of its own; the file goes from one life to the next.
func TestSnapshotOfServers(t *testing.T) {
	t.Parallel()
	disabled := host(2, 0.5)
	disabled.Enable = false
	both := []string{"1 1 true", "2 0.5 false"}
	type step struct {
		change func(*paper)
		wait   time.Duration
		want   [][]string
	}
	down := func(p *paper) { p.down = true }
	same := func(*paper) {}
	file := filepath.Join(t.TempDir(), "folder", "servers.json")
	for _, life := range []struct {
		name   string
		before func() // to the file
		steps  []step
	}{
		{"nothing was kept", nil, []step{{down, time.Hour, nil}}},
		{"two are there", nil, []step{{func(p *paper) { p.hosts = []model.Instance{host(1, 1), disabled} }, time.Second, [][]string{both}}}},
		{"nacos is away", nil, []step{
			{down, snapshotAfter - time.Second, nil},
			{same, 2 * time.Second, [][]string{both}},
			{func(p *paper) { p.down = false }, nacosForgets - 2*time.Second, nil}, // it is back, and empty
			{func(p *paper) { p.hosts = []model.Instance{host(1, 1)} }, nacosForgets, [][]string{{"1 1 true"}}},
			{func(p *paper) { p.hosts = nil }, time.Minute, [][]string{{}}}, // which is not kept
		}},
		{"nacos refuses", nil, []step{{func(p *paper) { p.refuse = errors.New("no") }, time.Minute, [][]string{{"1 1 true"}}}}},
		{"nacos knows of none: that is its word", nil, []step{{same, time.Minute, [][]string{{}}}}},
		{"the file is cut", func() { _ = os.WriteFile(file, []byte("[{"), 0o600) }, []step{{down, time.Hour, nil}}},
	} {
		t.Run(life.name, func(t *testing.T) {
			if life.before != nil {
				life.before()
			}
			synctest.Test(t, func(t *testing.T) {
				p, h := &paper{}, &heard{}
				r := p.registry(t)
				r.opts.Snapshot = file
				for i, s := range life.steps {
					p.change(func() { s.change(p) })
					if i == 0 {
						if err := r.Subscribe(nil, h); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(s.wait)
					synctest.Wait()
					if diff := cmp.Diff(s.want, h.take()); diff != "" {
						t.Errorf("step %d (-want +told):\n%s", i, diff)
					}
				}
				r.Destroy()
			})
		})
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
