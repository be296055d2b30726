package hang

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/ledger"
	"parley/test/rig"
)

// The short form is part of all tests; make hang runs the long one.
var (
	hangs   = flag.Int("hangs", 400, "turns that hang before the processes are measured")
	hangFor = flag.Duration("hang-for", 20*time.Second, "how long Nacos hangs")
)

// stage is a whole Parley with one tenant on a simulated WeCom.
type stage struct {
	*testing.T
	ctx     context.Context
	rig     *rig.Rig
	company rig.Company
	model   *rig.Model // answers well, unless a test tells it otherwise
}

// The limits of every turn here, far enough from each other that the time tells which one ended it.
const (
	connectLimit = 2 * time.Second
	firstLimit   = 4 * time.Second
	idleLimit    = 2 * time.Second
	turnLimit    = 8 * time.Second
)

// slack is what may pass between a limit and the person's text: scheduling, commit and sending. The promise is 2 s; the rest is for a machine
// that has other work.
const slack = 5 * time.Second

// newStage starts what all tests need. No server and no client service runs yet.
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
	s.company, err = r.NewCompany(ctx, nil, -1)
	s.must(err)
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Pace: llm.Pace{Chunks: 4, Between: 5 * time.Millisecond}})
	s.must(err)
	return s
}

// routes publishes providers and models, each a line of YAML, besides the provider well, which answers, and the model chat, which is well's.
func (s *stage) routes(providers, models []string) {
	s.Helper()
	s.must(s.rig.Publish(s.ctx, "parley-routes", fmt.Sprintf(`providers:
  well: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}
%smodels:
  chat: [well/gpt-4o-mini]
%sdeadlines: {connect: %v, first_token: %v, idle: %v, turn: %v}
`, s.model.BaseURL(), lines(providers), lines(models), connectLimit, firstLimit, idleLimit, turnLimit)))
}

func lines(list []string) string {
	var b strings.Builder
	for _, l := range list {
		b.WriteString("  " + l + "\n")
	}
	return b.String()
}

// server starts a server that may call the model and the origins.
func (s *stage) server(name string, origins ...string) *rig.Node {
	s.Helper()
	n, err := s.rig.StartNode(s.ctx, "server", name, []string{"OPENAI_API_KEY=sk-hang"}, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%s]\n", addr, ops, strings.Join(append(origins, s.model.Origin), ", ")) + s.rig.Live()
	})
	s.must(err)
	return n
}

// client starts a client service over a Redis and makes it the company's entry.
func (s *stage) client(name, redis string) *rig.Node {
	s.Helper()
	n, err := s.rig.StartNode(s.ctx, "client", name, s.env(), func(addr, ops string) string { return s.clientYAML(addr, ops, redis) })
	s.must(err)
	s.must(s.company.Entry(n.Addr))
	return n
}

func (s *stage) clientYAML(addr, ops, redis string) string {
	return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [%s]\nplatforms: {wecom: %q}\n",
		addr, ops, redis, s.company.Tenant, s.company.Platform) + s.rig.Live()
}

func (s *stage) env() []string {
	return s.company.Env()
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// told is what a person was shown for one message, and how long after it was posted.
type told struct {
	wecom.Sent
	took time.Duration
}

// ask posts a person's text and waits for the answer, which is the n-th message that the person is shown.
func (s *stage) ask(user, text string, n int) (told, error) {
	posted, err := s.company.Sim.Say(s.ctx, s.company.App.Ref, user, text)
	if err != nil {
		return told{}, err
	}
	shown, err := s.company.Sim.Await(s.ctx, s.company.App.Ref, user, n)
	if err != nil {
		return told{}, err
	}
	if len(shown) > n {
		return told{}, fmt.Errorf("%s was shown %d messages in place of %d: %+v", user, len(shown), n, shown)
	}
	return told{shown[n-1], shown[n-1].At.Sub(posted.Tries[0].At)}, nil
}

// crowd lets many people ask at once, each the first question of a conversation, and gives what they were told, by their names.
func (s *stage) crowd(names []string) map[string]told {
	s.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]told{}
	for _, name := range names {
		wg.Go(func() {
			answer, err := s.ask(name, question(name), 1)
			if err != nil {
				s.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[name] = answer
		})
	}
	wg.Wait()
	return got
}

// eventually polls until probe says that nothing is missing; the time is for a busy machine.
func (s *stage) eventually(within time.Duration, what string, probe func() string) {
	s.Helper()
	end := time.Now().Add(within)
	for missing := probe(); missing != ""; missing = probe() {
		if time.Now().After(end) || s.ctx.Err() != nil {
			s.Fatalf("%s: %s", what, missing)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// answersFast asks an operators' address and fails unless it answers within a second with the status: at the third try at the latest, since on a
// busy machine one may stand still so long, and whoever waits for what hangs is late each time.
func (s *stage) answersFast(n *rig.Node, path string, status int) {
	s.Helper()
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + n.Ops + path)
	for range 2 {
		if err == nil {
			break
		}
		resp, err = client.Get("http://" + n.Ops + path)
	}
	if err != nil {
		s.Errorf("%s %s: %v", n.Name, path, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		s.Errorf("%s %s: %s, want %d", n.Name, path, resp.Status, status)
	}
}

// begun tells what is missing until so many more calls than now have come to the model; on a busy machine the first may have ended by then.
func (s *stage) begun() func(n int) func() string {
	s.Helper()
	before, err := s.model.Stats(s.ctx)
	s.must(err)
	return func(n int) func() string {
		return func() string {
			if now, err := s.model.Stats(s.ctx); err != nil || now.Running+now.Ended-before.Running-before.Ended < n {
				return fmt.Sprintf("%+v, %v", now, err)
			}
			return ""
		}
	}
}

// within ends a process and fails unless it leaves in good order in the time.
func (s *stage) leaves(n *rig.Node, within time.Duration) {
	s.Helper()
	began := time.Now()
	s.must(n.Term(within))
	s.Logf("%s left after %s", n.Name, time.Since(began).Round(10*time.Millisecond))
}

// isFailure: people are told that no answer came, in the words of the product.
func isFailure(text string) bool {
	return strings.Contains(text, "没有在规定时间内答完") || strings.Contains(text, "没能得到回答")
}

// question is what a person asks first. It names the person, by which the simulated model's rules may choose its fate.
func question(user string) string { return later(user, 1) }

// later is what a person asks as the n-th.
func later(user string, n int) string { return ledger.Question(ledger.ID{Person: user, N: n}) }

// answers: a person was told the model's answer to that question.
func answers(got told, user string) bool {
	id, ok := ledger.Answered(got.Content)
	return ok && id == ledger.ID{Person: user, N: 1}
}
