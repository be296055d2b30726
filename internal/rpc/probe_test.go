package rpc

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// pulse counts probes and answers them as told.
type pulse struct {
	grpc_health_v1.HealthClient
	probes atomic.Int64
	dead   atomic.Bool
	hung   atomic.Bool
}

func (p *pulse) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest, _ ...grpc.CallOption) (*grpc_health_v1.HealthCheckResponse, error) {
	p.probes.Add(1)
	if p.hung.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if p.dead.Load() {
		return nil, errors.New("connection refused")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// An instance is asked often while that helps a turn, and seldom else.
func TestHowOftenIsProbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, members := pretend(t, 1)
		m, health := members[0], &pulse{}
		m.state.Store(unproved)
		p.probes.Go(func() { p.probe(m, health) })
		steps := []struct {
			what     string
			change   func()
			least    int64 // probes in the minute after the change
			most     int64
			up       bool
			cutAfter time.Duration // the longest time until its streams are given up; 0: they are not
		}{
			{"it is new: closely, then seldom", func() {}, 36, 40, true, 0},
			{"nothing happens", func() {}, 28, 30, true, 0},
			{"a turn runs there", func() { m.streams.Add(1) }, 199, 201, true, 0},
			{"the turn has ended", func() { m.streams.Add(-1) }, 28, 30, true, 0},
			{"it is dead", func() { health.dead.Store(true) }, 190, 201, false, 0},
			{"it is back", func() { health.dead.Store(false) }, 36, 40, true, 0},
			{"the registry drops it", func() { m.listed.Store(false); m.change() }, 36, 40, true, 0},
			{"the registry has it again", func() { m.listed.Store(true); m.change() }, 36, 40, true, 0},
			{"it hangs, unused", func() { health.hung.Store(true) }, 80, 86, false, 0},
			{"it goes on", func() { health.hung.Store(false) }, 36, 40, true, 0},
			{"it hangs with a turn", func() { m.streams.Add(1); health.hung.Store(true) }, 80, 86, false, 3 * time.Second},
		}
		for _, s := range steps {
			before, life := health.probes.Load(), m.life.Load()
			began := time.Now()
			var cut time.Duration
			stop := context.AfterFunc(life.ctx, func() { cut = time.Since(began) })
			s.change()
			time.Sleep(time.Minute)
			synctest.Wait()
			stop()
			if n := health.probes.Load() - before; n < s.least || n > s.most {
				t.Errorf("%s: %d probes in a minute, want %d to %d", s.what, n, s.least, s.most)
			}
			if got := m.state.Load() == up; got != s.up {
				t.Errorf("%s: up %v, want %v", s.what, got, s.up)
			}
			if s.cutAfter == 0 && cut != 0 || cut > s.cutAfter || s.cutAfter > 0 && cut == 0 {
				t.Errorf("%s: its streams were given up after %v, want %v at most (0: never)", s.what, cut, s.cutAfter)
			}
		}
	})
}

// To ask thousands of turns anew elsewhere costs more than to wait for a machine that stands still for a moment.
func TestWhereManyStreamsRunAnInstanceMayHangForLonger(t *testing.T) {
	t.Parallel()
	cases := []struct {
		streams     int64
		least, most time.Duration // from when it hangs until its streams are given up
	}{
		{1, 2 * time.Second, 3 * time.Second},
		{999, 2 * time.Second, 3 * time.Second},
		{5_000, 5 * time.Second, 8 * time.Second},
		{1_000_000, 13 * time.Second, 16 * time.Second},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			p, members := pretend(t, 1)
			m, health := members[0], &pulse{}
			m.streams.Store(c.streams)
			p.probes.Go(func() { p.probe(m, health) })
			time.Sleep(time.Minute)
			health.hung.Store(true)
			began := time.Now()
			<-m.life.Load().ctx.Done()
			if took := time.Since(began); took < c.least || took > c.most {
				t.Errorf("%d streams were given up after %v, want %v to %v", c.streams, took, c.least, c.most)
			}
			m.streams.Store(0)
			p.Destroy()
		})
	}
}

// A hung instance that this client does not use is avoided before three seconds have passed.
func TestAnUnusedInstanceHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, members := pretend(t, 1)
		m, health := members[0], &pulse{}
		p.probes.Go(func() { p.probe(m, health) })
		time.Sleep(time.Minute)
		health.hung.Store(true)
		began := time.Now()
		for m.state.Load() == up {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("avoided after %v", took)
		}
		p.Destroy()
	})
}

// The end of a connection is news enough: the probe of a killed instance does not wait for its turn.
func TestALostConnectionIsLookedInto(t *testing.T) {
	t.Parallel()
	a := startServer(t, peerOptions{})
	c := dialDirect(t, a.addr)
	c.pool.mu.Lock()
	m := c.pool.members[a.addr]
	c.pool.mu.Unlock()
	never := time.Now().Add(time.Hour).UnixNano()
	eventually(t, "no probe is due", func() bool {
		m.changed.Store(0)
		m.probed.Store(never)
		time.Sleep(2 * probeEvery)
		return m.probed.Load() == never && m.changed.Load() == 0
	})
	a.signal(syscall.SIGKILL)
	took := eventually(t, "it is avoided", func() bool { return !instance(c, a.addr).Up })
	t.Logf("avoided %v after it was killed", took.Round(time.Millisecond))
}
