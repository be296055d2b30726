package hang

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/rig"
)

// TestManyHangs lets many turns hang, in waves, and sends too, and then looks whether the processes are as small as after as many turns that went
// well: what a hang leaves behind adds up.
func TestManyHangs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*idleConnections+time.Duration(*hangs)*100*time.Millisecond)
	defer cancel()
	s := newStage(ctx, t)
	// The same simulator over both protocols: a stream that hangs on one connection of many, and a connection of its own.
	s.routes([]string{fmt.Sprintf("plain: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY}", s.model.BaseURL())}, []string{"plain: [plain/gpt-4o-mini]"})
	server := s.server("server")
	client := s.client("client", s.rig.Redis.Addr)
	wave := min(*hangs, 500)
	for i := range wave {
		if i%2 == 0 {
			_, err := s.ask(member(i), "/model plain", 1)
			s.must(err)
		}
	}
	asked := 0
	crowd := func(judge func(user string, got told) string) {
		var wg sync.WaitGroup
		var judging sync.Mutex
		asked++
		for i := range wave {
			wg.Go(func() {
				n, user := asked, member(i)
				if i%2 == 0 {
					n++
				}
				got, err := s.ask(user, later(user, asked), n)
				judging.Lock()
				defer judging.Unlock()
				if err != nil {
					t.Error(err)
				} else if wrong := judge(user, got); wrong != "" {
					t.Errorf("%s %s: told %q after %v", user, wrong, got.Content, got.took)
				}
			})
		}
		wg.Wait()
	}
	slow := llm.Pace{First: firstLimit / 4, Chunks: 4, Between: 10 * time.Millisecond} // as many at once as will hang
	s.must(s.model.SetPace(ctx, slow))
	for range 2 {
		crowd(func(user string, got told) string {
			if isFailure(got.Content) {
				return "was not answered"
			}
			return ""
		})
	}
	if *hangs > 1000 {
		time.Sleep(idleConnections) // else those of before hide what is left behind
	}
	before := sizesOf(s, server, client)
	t.Logf("before: %v", before)

	s.must(s.model.SetRules(ctx, llm.Rule{Contains: "-0.", Fault: llm.Fault{Kind: llm.FaultStall, After: 2}},
		llm.Rule{Contains: "-1.", Fault: llm.Fault{Kind: llm.FaultHang}}))
	s.must(s.model.SetPace(ctx, llm.Pace{Chunks: 1000, Between: 500 * time.Millisecond})) // whoever is spared by the rules gets no end
	var last time.Duration
	for done := 0; done < *hangs; done += wave {
		lost := s.company.Sim.Stats().Duplicates + wave/20
		s.company.Sim.Inject(wecom.Fault{API: "message/send", Times: wave / 20, Hang: true})
		crowd(func(_ string, got told) string {
			last = max(last, got.took)
			if !isFailure(got.Content) || got.took > turnLimit+slack {
				return "should be told of a timeout"
			}
			return ""
		})
		s.eventually(time.Minute, "sends without an answer are sent again", func() string {
			if n := s.company.Sim.Stats().Duplicates; n < lost {
				return fmt.Sprintf("%d of %d", n, lost)
			}
			return ""
		})
	}
	t.Logf("%d turns hung; the last was told after %v", *hangs, last)
	s.company.Sim.Heal()
	s.must(s.model.SetRules(ctx))
	s.must(s.model.SetPace(ctx, slow))
	var after [2]sizes
	s.eventually(idleConnections+time.Minute, "as small as before", func() string {
		time.Sleep(time.Second)
		after = sizesOf(s, server, client)
		var more []string
		for i := range after {
			more = append(more, after[i].beyond(before[i])...)
		}
		return strings.Join(more, "; ")
	})
	if *hangs > 1000 {
		time.Sleep(idleConnections)
		after = sizesOf(s, server, client)
	}
	t.Logf("after:  %v", after)
	crowd(func(_ string, got told) string { return "" })
	s.leaves(client, 40*time.Second)
	s.leaves(server, 30*time.Second)
}

// idleConnections are closed within that time: providers' and platforms' after 90 s, callers' after 2 minutes.
const idleConnections = 130 * time.Second

// member of a wave; the end of the name chooses how the turn hangs.
func member(i int) string { return fmt.Sprintf("%d-%d", i, i/2%4) }

// sizes are what a process holds.
type sizes struct {
	name       string
	goroutines float64
	files      int
	resident   float64 // MiB
}

func sizesOf(s *stage, nodes ...*rig.Node) (all [2]sizes) {
	s.Helper()
	for i, n := range nodes {
		m, err := n.Metrics(s.ctx)
		s.must(err)
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.PID()))
		s.must(err)
		all[i] = sizes{n.Name, m.Sum("go_goroutines"), len(files), m.Sum("process_resident_memory_bytes") / (1 << 20)}
	}
	return all
}

func (z sizes) String() string {
	return fmt.Sprintf("%s: %.0f goroutines, %d files, %.0f MiB", z.name, z.goroutines, z.files, z.resident)
}

// beyond lists what is more than before by more than chance: idle connections come and go, and Go gives memory back when it likes.
func (z sizes) beyond(before sizes) (more []string) {
	if z.goroutines > before.goroutines+50 {
		more = append(more, fmt.Sprintf("%s: %.0f goroutines, %.0f before", z.name, z.goroutines, before.goroutines))
	}
	if z.files > before.files+20 {
		more = append(more, fmt.Sprintf("%s: %d files, %d before", z.name, z.files, before.files))
	}
	if z.resident > before.resident*1.3+16 {
		more = append(more, fmt.Sprintf("%s: %.0f MiB, %.0f before", z.name, z.resident, before.resident))
	}
	return more
}
