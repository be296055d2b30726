package rpc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nacos-group/nacos-sdk-go/v2/model"

	"dubbo.apache.org/dubbo-go/v3/registry"

	"parley/internal/telemetry"
)

// paper is a Nacos on paper: what a real one does only by chance, or after minutes, is a step of a test here.
type paper struct {
	mu          sync.Mutex
	down        bool
	refuse      error
	hosts       []model.Instance
	registered  int
	queries     int
	pushed      func()
	withoutName bool
}

func (p *paper) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *paper) ServerHealthy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.down
}

func (p *paper) RegisterInstance(_, _ string, i model.Instance) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return false, p.refuse
	}
	p.registered++
	p.hosts = append(p.hosts, i)
	return true, nil
}

func (p *paper) DeregisterInstance(_, _ string, i model.Instance) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = slices.DeleteFunc(p.hosts, func(h model.Instance) bool { return h.Port == i.Port })
	return true, nil
}

func (p *paper) Subscribe(string, string, string) (model.Service, error) {
	return model.Service{}, p.refuse
}

func (p *paper) QueryInstancesOfService(service, _, _ string, _ int, _ bool) (*model.Service, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries++
	if p.withoutName {
		service = ""
	}
	return &model.Service{Name: service, Hosts: slices.Clone(p.hosts)}, p.refuse
}

func (p *paper) CloseClient() {}

func (p *paper) registry(t *testing.T) *nacosRegistry {
	t.Helper()
	r, err := newNacos(Nacos{Addrs: []string{"127.0.0.1:1"}}, telemetry.Discard().Log)
	if err != nil {
		t.Fatal(err)
	}
	r.connect = func(_ context.Context, pushed func()) (naming, error) {
		p.pushed = pushed
		return p, nil
	}
	return r
}

// heard keeps the lists that a registry tells.
type heard struct {
	mu    sync.Mutex
	lists [][]string
}

func (h *heard) Notify(*registry.ServiceEvent) {}

func (h *heard) NotifyAll(events []*registry.ServiceEvent, done func()) {
	defer done()
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []string{}
	for _, e := range events {
		list = append(list, e.Service.Port+" "+e.Service.GetParam("weight", "")+" "+e.Service.GetParam(paramEnabled, ""))
	}
	h.lists = append(h.lists, list)
}

func (h *heard) take() [][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.lists
	h.lists = nil
	return out
}

func host(port uint64, weight float64) model.Instance {
	return model.Instance{Ip: "127.0.0.1", Port: port, Weight: weight, Enable: true, Metadata: map[string]string{"protocol": "tri"}}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	type step struct {
		what   string
		change func(*paper)
		wait   time.Duration
		want   [][]string
	}
	hosts := func(h ...model.Instance) func(*paper) { return func(p *paper) { p.hosts = h } }
	both := [][]string{{"1 1 true", "2 1 true"}}
	tests := map[string][]step{
		"changes are told, once": {
			{"an empty list is a list", hosts(), time.Second, [][]string{{}}},
			{"two come", hosts(host(1, 1), host(2, 1)), 3 * time.Second, both},
			{"nothing new", func(*paper) {}, 10 * time.Second, nil},
			{"a weight", hosts(host(1, 0.5), host(2, 1)), 3 * time.Second, [][]string{{"1 0.5 true", "2 1 true"}}},
			{"one goes", hosts(host(2, 1)), 3 * time.Second, [][]string{{"2 1 true"}}},
			{"the last one goes: it may be a restart that nobody saw", hosts(), 3 * time.Second, nil},
			{"nobody has come back", func(*paper) {}, nacosForgets, [][]string{{}}},
			{"and somebody has", hosts(host(2, 1)), 3 * time.Second, [][]string{{"2 1 true"}}},
		},
		"nor is one that was back before anybody saw it go": {
			{"two are there", hosts(host(1, 1), host(2, 1)), time.Second, both},
			{"it is empty", hosts(), 5 * time.Second, nil},
			{"one has registered again, with a new weight", hosts(host(1, 3)), 3 * time.Second, [][]string{{"1 3 true", "2 1 true"}}},
			{"the other has not: it is gone", func(*paper) {}, nacosForgets, [][]string{{"1 3 true"}}},
		},
		"a restarted Nacos that is still empty is not believed": {
			{"two are there", hosts(host(1, 1), host(2, 1)), time.Second, both},
			{"it goes", func(p *paper) { p.down = true }, time.Minute, nil},
			{"it is back, and empty", func(p *paper) { p.down, p.hosts = false, nil }, 5 * time.Second, nil},
			{"one has registered again, with a new weight", hosts(host(1, 3)), 3 * time.Second, [][]string{{"1 3 true", "2 1 true"}}},
			{"the other has not: it is gone", func(*paper) {}, nacosForgets, [][]string{{"1 3 true"}}},
		},
		"while Nacos refuses, the last list stays": {
			{"two are there", hosts(host(1, 1), host(2, 1)), time.Second, both},
			{"an error", func(p *paper) { p.hosts, p.refuse = nil, errors.New("no") }, time.Minute, nil},
			{"a list of nothing", func(p *paper) { p.refuse, p.withoutName = nil, true }, time.Minute, nil},
			{"it answers again", func(p *paper) { p.withoutName, p.hosts = false, []model.Instance{host(2, 1)} }, 3 * time.Second, [][]string{{"2 1 true"}}},
		},
		"what is no Triple server is left out": {
			{"strangers", hosts(host(1, 1), model.Instance{Ip: "127.0.0.1", Port: 5, Metadata: map[string]string{"protocol": "dubbo"}}, model.Instance{Ip: "127.0.0.1"}), time.Second, [][]string{{"1 1 true"}}},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, h := &paper{}, &heard{}
				r := p.registry(t)
				for i, s := range steps {
					p.change(func() { s.change(p) })
					if i == 0 {
						if err := r.Subscribe(nil, h); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(s.wait)
					synctest.Wait()
					if diff := cmp.Diff(s.want, h.take()); diff != "" {
						t.Errorf("%s (-want +told):\n%s", s.what, diff)
					}
				}
				r.Destroy()
			})
		})
	}
}

func TestAPushIsAskedAfterAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, h := &paper{}, &heard{}
		r := p.registry(t)
		_ = r.Subscribe(nil, h)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		h.take()
		p.change(func() { p.hosts = []model.Instance{host(7, 1)} })
		p.pushed()
		synctest.Wait()
		if diff := cmp.Diff([][]string{{"7 1 true"}}, h.take()); diff != "" {
			t.Errorf("(-want +told):\n%s", diff)
		}
		r.Destroy()
	})
}

func TestKeepRegistered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paper{down: true}
		r := p.registry(t)
		url := instanceEvent("127.0.0.1", "7", nil).Service
		if err := r.Register(url); err != nil {
			t.Fatal(err)
		}
		steps := []struct {
			what   string
			change func()
			wait   time.Duration
			want   int // registrations so far
		}{
			{"Nacos is not there", func() {}, 5 * time.Minute, 0},
			{"it comes, not ready yet", func() { p.down, p.refuse = false, errors.New("starting") }, 10 * time.Second, 0},
			{"it is ready", func() { p.refuse = nil }, 2 * time.Second, 1},
			{"nothing happens", func() {}, time.Hour, 1},
			{"it goes", func() { p.down, p.hosts = true, nil }, time.Second, 1},
			{"it is back", func() { p.down = false }, time.Second, 2},
			{"it forgets, and was never seen down", func() { p.hosts = nil }, nacosVerify + time.Second, 3},
			{"it forgets, and its list is no list", func() { p.hosts, p.withoutName = nil, true }, time.Minute, 3},
			{"it refuses", func() { p.withoutName, p.refuse = false, errors.New("busy") }, time.Minute, 3},
			{"it takes servers again", func() { p.refuse = nil }, nacosVerify + time.Second, 4},
			{"it lists another server of this machine", func() { p.hosts = []model.Instance{host(8, 1)} }, nacosVerify + time.Second, 5},
			{"and nothing more happens", func() {}, time.Hour, 5},
		}
		for _, s := range steps {
			p.change(s.change)
			time.Sleep(s.wait)
			synctest.Wait()
			p.change(func() {
				if p.registered != s.want {
					t.Errorf("%s: registered %d times, want %d", s.what, p.registered, s.want)
				}
			})
		}
		select {
		case <-r.registered:
		default:
			t.Error("it does not know that it is registered")
		}
		if err := r.UnRegister(url); err != nil || len(p.hosts) != 1 || p.hosts[0].Port != 8 {
			t.Errorf("after leaving nacos lists %v, %v, want the other", p.hosts, err)
		}
		r.Destroy()
	})
}

func TestLeavingDoesNotWaitForAHungNacos(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		p := &paper{}
		r := p.registry(t)
		r.connect = func(context.Context, func()) (naming, error) { <-hang; return p, nil }
		url := instanceEvent("127.0.0.1", "7", nil).Service
		_ = r.Register(url)
		begin := time.Now()
		if err := r.UnRegister(url); err == nil {
			t.Error("no error")
		}
		r.Destroy()
		if took := time.Since(begin); took > 3*leaveLimit {
			t.Errorf("it took %v", took)
		}
		close(hang)
	})
}
