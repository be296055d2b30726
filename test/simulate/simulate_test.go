package simulate

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	seed  = flag.Uint64("seed", 0, "TestOne runs this seed, cuts it down if it fails, and prints its log")
	plant = flag.String("plant", "", "TestOne plants this fault")
	from  = flag.Uint64("from", 0, "TestSeeds begins with this seed; 0: with a random one")
	seeds = flag.Int("seeds", 500, "TestSeeds runs so many seeds")
	every = flag.Bool("every", false, "TestPlanted counts in all of its seeds, instead of ending with the first that finds the fault")
)

// plantedSeeds is within how many seeds each planted fault must be found.
const plantedSeeds = 1000

// bubble runs a plan in simulated time. One that takes a minute of real time hangs: somebody waits for a mutex that is held over a wait.
func bubble(t *testing.T, p Plan) (r Result) {
	hangs := time.AfterFunc(time.Minute, func() {
		buf := make([]byte, 1<<20)
		fmt.Printf("%v hangs\n%s\n", p, buf[:runtime.Stack(buf, true)])
		os.Exit(1)
	})
	defer hangs.Stop()
	defer func() {
		if e := recover(); e != nil {
			panic(fmt.Sprintf("%v: %v", p, e))
		}
	}()
	synctest.Test(t, func(*testing.T) { r = Run(p) })
	return r
}

// TestOne runs one seed by itself and prints what happened, of a failing one as little as still fails.
func TestOne(t *testing.T) {
	if *seed == 0 {
		t.Skip("no -seed")
	}
	p := NewPlan(*seed)
	p.Plant = Plant(*plant)
	fails := func(p Plan) bool { return len(bubble(t, p).Faults) > 0 }
	if fails(p) {
		t.Log("cut down from ", p)
		p = Shrink(p, fails)
	}
	r := bubble(t, p)
	t.Logf("%v\n%s", r.Plan, strings.Join(r.Log, "\n"))
	for _, f := range r.Faults {
		t.Error(f)
	}
}

// TestSeeds runs many seeds, on all processors.
func TestSeeds(t *testing.T) {
	start, n := *from, *seeds
	if start == 0 {
		start = uint64(time.Now().UnixNano()) % 1e9
	}
	if underRace {
		n = min(n, 40)
	}
	t.Logf("seeds %d to %d", start, start+uint64(n)-1)
	began := time.Now()
	var next atomic.Int64
	t.Run("all", func(t *testing.T) {
		for w := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					if r := bubble(t, NewPlan(start+uint64(i))); len(r.Faults) > 0 {
						t.Errorf("%v: %s\nlook at it with: go test ./test/simulate -run TestOne -v -seed %d", r.Plan, r.Faults[0], r.Plan.Seed)
					}
				}
			})
		}
	})
	t.Logf("%.0f seeds a second", float64(n)/time.Since(began).Seconds())
}

// Each planted fault is found, or the simulation proves nothing.
func TestPlanted(t *testing.T) {
	for _, plant := range Plants() {
		t.Run(string(plant), func(t *testing.T) {
			t.Parallel()
			found := 0
			for i := range plantedSeeds {
				p := NewPlan(uint64(i + 1))
				p.Plant = plant
				r := bubble(t, p)
				if len(r.Faults) == 0 {
					continue
				}
				if found++; found == 1 {
					t.Logf("found in seed %d: %s", p.Seed, r.Faults[0])
				}
				if !*every {
					return
				}
			}
			if found == 0 {
				t.Errorf("not found in %d seeds", plantedSeeds)
			}
			t.Logf("found in %d of %d seeds", found, plantedSeeds)
		})
	}
}

// A seed decides a run. What still differs in one of some hundred runs are two claims of one process at the same instant: a hint's and the sweep's.
func TestSameSeedSameRun(t *testing.T) {
	n, differ := 60, []string{}
	if underRace {
		n = 5
	}
	for i := range n {
		p := NewPlan(uint64(i + 1))
		if a, b := bubble(t, p), bubble(t, p); !slices.Equal(a.Log, b.Log) {
			differ = append(differ, fmt.Sprintf("%v\n%s", p, cmp.Diff(a.Log, b.Log)))
		}
	}
	t.Logf("%d of %d seeds gave two different runs", len(differ), n)
	if len(differ) > max(3, n/10) { // what was frozen goes on all at one instant, in an order that is the runtime's
		t.Error(differ[0])
	}
}

func TestShrink(t *testing.T) {
	p := NewPlan(7)
	p.Kinds[Kill], p.Kinds[Slow] = true, true
	p.Turns = []Event{{Kind: Kill}, {Kind: Stop}, {Kind: Switch}}
	whole := p.String()
	fails := func(p Plan) bool {
		stops := slices.ContainsFunc(p.Turns, func(e Event) bool { return e.Kind == Stop })
		five := slices.ContainsFunc(p.Posts, func(x Post) bool { return x.M.ID == "m5" })
		six := slices.ContainsFunc(p.Posts, func(x Post) bool { return x.M.ID == "m6" })
		return p.Kinds[Slow] && stops && five && six
	}
	q := Shrink(p, fails)
	var kinds []Kind
	for _, k := range Kinds() {
		if q.Kinds[k] {
			kinds = append(kinds, k)
		}
	}
	if diff := cmp.Diff([]Kind{Slow}, kinds); diff != "" {
		t.Error(diff)
	}
	if len(q.Turns) != 1 || len(q.Posts) != 2 || !fails(q) {
		t.Errorf("left are %v and %v", q.Turns, q.Posts)
	}
	if p.String() != whole {
		t.Errorf("the plan itself changed: %v, was %v", p, whole)
	}
}

func TestDice(t *testing.T) {
	a, b := &cup{seed: 1, uses: map[string]uint64{}}, &cup{seed: 1, uses: map[string]uint64{}}
	a.dice("something", "else") // changes nothing for others
	draws := map[uint64]bool{}
	for i := range 1000 {
		x, y := a.dice("commit", "m1").next(), b.dice("commit", "m1").next()
		if x != y {
			t.Fatalf("use %d: %x and %x", i, x, y)
		}
		draws[x] = true
	}
	if len(draws) != 1000 {
		t.Errorf("%d different draws in 1000", len(draws))
	}
	if a.dice("ab", "c").next() == a.dice("a", "bc").next() {
		t.Error("words run together")
	}
	d, hits := dice(5), 0
	for range 10000 {
		if d.chance(.3) {
			hits++
		}
		if v := d.between(time.Second, 2*time.Second); v < time.Second || v >= 2*time.Second {
			t.Fatal(v)
		}
	}
	if hits < 2800 || hits > 3200 {
		t.Errorf("%d of 10000 for a chance of .3", hits)
	}
}
