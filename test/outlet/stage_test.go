package outlet

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/ledger"
	"parley/test/rig"
)

// stage is a whole Parley with one tenant, whose two client services stand behind a balancer.
type stage struct {
	*testing.T
	ctx     context.Context
	rig     *rig.Rig
	company rig.Company
	clients []*rig.Node
}

func newStage(ctx context.Context, t *testing.T) *stage {
	t.Helper()
	rig.Need(t)
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	s := &stage{T: t, ctx: ctx, rig: r}
	s.company, err = r.NewCompany(ctx, nil, 0)
	s.must(err)
	model, err := r.StartModel(ctx, llm.Pace{Chunks: 4, Between: 5 * time.Millisecond})
	s.must(err)
	_, err = r.StartServer(ctx, "server", model.Origin, "")
	s.must(err)
	var addresses []string
	for i := range 2 {
		c, err := r.StartClient(ctx, fmt.Sprint("client-", i+1), s.company, "")
		s.must(err)
		s.clients, addresses = append(s.clients, c), append(addresses, c.Addr)
	}
	entry, err := rig.NewBalancer(addresses...)
	s.must(err)
	t.Cleanup(entry.Close)
	s.must(s.company.Entry(entry.Addr))
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// killAll ends all client services at once, as a power cut does, and starts them again.
func (s *stage) killAll() {
	s.Helper()
	for _, c := range s.clients {
		c.Kill()
	}
	for i, c := range s.clients {
		again, err := c.Restart(s.ctx)
		s.must(err)
		s.clients[i] = again
	}
}

// say posts a person's text, which must be acknowledged.
func (s *stage) say(user, text string) {
	s.Helper()
	p, err := s.company.Sim.Say(s.ctx, s.company.App.Ref, user, text)
	s.must(err)
	if !p.Acked {
		s.Errorf("%s's message was not acknowledged: %+v", user, p.Tries)
	}
}

func (s *stage) ask(user string, n int) { s.say(user, ledger.Question(ledger.ID{Person: user, N: n})) }

func (s *stage) await(user string, n int) []wecom.Sent {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 4*time.Minute)
	defer cancel()
	shown, err := s.company.Sim.Await(ctx, s.company.App.Ref, user, n)
	if err != nil {
		s.Errorf("%s: %v", user, err)
	}
	return shown
}

// inOrder checks that a person was shown exactly the answers to these questions, in their order.
func (s *stage) inOrder(user string, shown []wecom.Sent, questions ...int) {
	s.Helper()
	var got []int
	for _, m := range shown {
		if id, ok := ledger.Answered(m.Content); ok && id.Person == user {
			got = append(got, id.N)
		}
	}
	if !slices.Equal(got, questions) {
		s.Errorf("%s was shown the answers to %v, want %v", user, got, questions)
	}
}

// calls is how often the platform was asked to send.
func (s *stage) calls() int { return s.company.Sim.Stats().Calls["message/send"] }

// metric sums a metric over the client services.
func (s *stage) metric(name string, labels ...string) (sum float64) {
	s.Helper()
	for _, c := range s.clients {
		m, err := c.Metrics(s.ctx)
		s.must(err)
		sum += m.Sum(name, labels...)
	}
	return sum
}

// status is what `parley status --json` tells an operator, as far as these tests read it.
type status struct {
	Clients []struct {
		ID      string
		Blocked []struct{ Tenant, Channel, Code, Why string }
	}
	Tenants []struct{ Waiting, Postponed, Dead int }
}

func (s *stage) status() (r status) {
	s.Helper()
	out, err := s.rig.Parley(s.ctx, nil, "status", "--json", "--config", filepath.Join(s.rig.Dir, "client-1.yaml"))
	if err != nil {
		s.Fatalf("parley status: %v\n%s", err, out)
	}
	s.must(json.Unmarshal([]byte(out), &r))
	return r
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(within time.Duration, what string, probe func() string) {
	s.Helper()
	end := time.Now().Add(within)
	for missing := probe(); missing != ""; missing = probe() {
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.Fatalf("%s: %s", what, missing)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
