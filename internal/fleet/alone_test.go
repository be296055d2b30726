package fleet

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

func (nd *node) cut(addr string, err error) {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	if nd.refuse[addr] = err; err == nil {
		delete(nd.refuse, addr)
	}
}

// metric is the value of a metric without labels.
func (nd *node) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := nd.telemetry.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// fill asks for more and more until it is refused, and gives how many were granted.
func fill(t *testing.T, nd *node, limit int) (releases []func()) {
	t.Helper()
	for {
		release, err := nd.Fleet.Hold(t.Context(), testKey, limit, false)
		if err != nil {
			wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)
			return releases
		}
		if releases = append(releases, release); len(releases) > limit {
			t.Fatal("there is no end")
		}
	}
}

func TestAKeeperThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		wait time.Duration // until the first call is counted alone
	}{
		"not reached":      {chat.E(chat.Unavailable, "test", errors.New("no route")), defaultPatience},
		"an older release": {chat.E(chat.NotFound, "test", errors.New("unknown method")), 0},
		"not let in":       {chat.E(chat.Forbidden, "test", errors.New("no server")), 0},
		"another view":     {errNotKeeper(), defaultPatience},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.stop()
				keeper, others := keeperAmong(n.fleet("a:1", "b:1", "c:1", "d:1"))
				time.Sleep(defaultGrace)
				nd := others[0]
				if why := nd.Alone(); why != "" {
					t.Error("it says that it counts alone:", why)
				}
				nd.cut(keeper.addr, tt.err)
				began := time.Now()
				first := mustHold(t, nd.Fleet, testKey, 10)
				if took := time.Since(began); took < tt.wait || took > tt.wait+2*time.Second {
					t.Errorf("counted alone after %v, want %v", took, tt.wait)
				}
				began = time.Now()
				more := fill(t, nd, 10)
				if len(more) != 1 { // a quarter of 10 is 2
					t.Errorf("%d calls run besides the first, want 1", len(more))
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("the next calls took %v", took)
				}
				if got := nd.metric(t, "parley_fleet_alone_total"); got != 2 {
					t.Errorf("%v calls are said to be counted alone, want 2", got)
				}

				if why, want := nd.Alone(), "it cannot ask "+keeper.addr+", which keeps keys: "+tt.err.Error(); why != want {
					t.Errorf("it says %q, want %q", why, want)
				}
				if why := others[1].Alone(); why != "" {
					t.Error("another server says that it counts alone:", why)
				}

				nd.cut(keeper.addr, nil)
				time.Sleep(3 * doubtFor)
				if got := len(fill(t, others[1], 10)); got != 8 {
					t.Errorf("others make %d calls, want 8: the keeper must know of the 2 that run", got)
				}
				first()
				more[0]()
				time.Sleep(time.Second)
				if why := nd.Alone(); why != "" {
					t.Error("it still says that it counts alone:", why)
				}
				if got := len(fill(t, nd, 10)); got != 2 {
					t.Errorf("it makes %d calls by the keeper's leave, want 2", got)
				}
			})
		})
	}
}

func TestAServerThatIsBarredCountsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nodes := n.fleet("a:1", "b:1")
		all := 0
		for _, nd := range nodes {
			nd.sees(func(v *View) { v.Barred = "no server" })
		}
		synctest.Wait()
		for _, nd := range nodes {
			if why := nd.Alone(); why != "no server" {
				t.Errorf("why it counts alone: %q", why)
			}
			all += len(fill(t, nd, 5))
		}
		if all != 4 {
			t.Errorf("%d calls run, want 2 of each server", all)
		}
	})
}

func TestWhileNobodyIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nd := n.start("a:1")
		nd.sees(func(v *View) { *v = View{} }) // before its first look: the registry is down
		began := time.Now()
		mustHold(t, nd.Fleet, testKey, 3)
		if took := time.Since(began); took < defaultPatience {
			t.Errorf("counted alone after %v", took)
		}
		if got := len(fill(t, nd, 3)); got != 2 {
			t.Errorf("%d more calls run, want 2", got)
		}
		nd.sees(func(v *View) { v.Settled, v.Listed = true, true }) // the registry is back; what runs is declared
		time.Sleep(defaultGrace + 3*doubtFor)
		if got := len(fill(t, nd, 3)); got != 0 {
			t.Errorf("%d more calls run, want none", got)
		}
	})
}
