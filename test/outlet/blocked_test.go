package outlet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/wecom"
)

// untrusted is what WeCom says to a caller whose address is not in the application's list.
func untrusted() wecom.Fault {
	return wecom.Fault{
		API: "message/send", Times: -1, Code: 60020,
		Message: "not allow to access from your ip, hint: [1669...], from ip: 203.0.113.7, more info at https://open.work.weixin.qq.com/devtool/query?e=60020",
	}
}

// TestRepliesThatThePlatformRefuses lets WeCom refuse the replicas' address for a while, in which both are killed. Every reply is kept, the
// platform is hardly asked, an operator sees why, and once it is mended everything goes out, once and in order.
func TestRepliesThatThePlatformRefuses(t *testing.T) {
	const people = 40
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.ask("before", 1)
	s.await("before", 1)

	s.company.Sim.Inject(untrusted())
	name := func(i int) string { return fmt.Sprint("patient", i) }
	before := s.calls()
	for i := range people {
		s.ask(name(i), 1)
	}
	for i := range people / 2 { // they wait behind the first one's reply
		s.ask(name(i), 2)
	}
	s.eventually(time.Minute, "the replies are postponed", func() string {
		if r := s.status(); len(r.Tenants) != 1 || r.Tenants[0].Waiting != people+people/2 || r.Tenants[0].Postponed < people-5 {
			return fmt.Sprintf("%+v", r.Tenants)
		}
		return ""
	})
	first := s.calls() - before
	s.killAll()
	s.eventually(time.Minute, "the operator sees what is wrong from both", func() string {
		blocked := 0
		for _, c := range s.status().Clients {
			for _, b := range c.Blocked {
				if b.Tenant == "acme" && b.Channel == "app" && b.Code == "60020" && strings.Contains(b.Why, "from ip: 203.0.113.7") {
					blocked++
				}
			}
		}
		if blocked < 2 || s.metric("parley_channel_blocked", `code="60020"`) != 2 {
			return fmt.Sprintf("%d say so", blocked)
		}
		return ""
	})
	time.Sleep(10 * time.Second) // of a refusal that goes on
	// Each of the four lives calls for whom it had in hand when the gate shut, and then after 1, 2, 4, 8, 16 s.
	if n := s.calls() - before; n > people+4*8 {
		t.Errorf("%d calls in vain, %d of them in the first lives", n, first)
	}
	t.Logf("%d calls in vain for %d conversations, %d of them in the first lives", s.calls()-before, people, first)
	for i := range people {
		if shown := s.company.Sim.Shown(s.company.App.Ref, name(i)); len(shown) > 0 {
			t.Errorf("%s was shown %+v", name(i), shown)
		}
	}

	s.company.Sim.Heal()
	mended := time.Now()
	for i := range people {
		questions := []int{1, 2}[:1]
		if i < people/2 {
			questions = []int{1, 2}
		}
		s.inOrder(name(i), s.await(name(i), len(questions)), questions...)
	}
	// A minute, and the time of a busy machine.
	if took := time.Since(mended); took > 75*time.Second {
		t.Errorf("the last reply came %v after the mending", took)
	} else {
		t.Logf("the last reply came %v after the mending", took.Round(time.Second))
	}
	s.eventually(time.Minute, "nothing waits", func() string {
		if r := s.status(); len(r.Tenants) != 1 || r.Tenants[0].Waiting+r.Tenants[0].Postponed+r.Tenants[0].Dead != 0 || len(r.Clients[0].Blocked) != 0 {
			return fmt.Sprintf("%+v", r)
		}
		return ""
	})
	if n := s.metric("parley_ambiguous_sends_total") + s.metric("parley_parts_total", `result="given_up"`) + s.metric("parley_parts_total", `result="undeliverable"`); n > 0 {
		t.Errorf("%v replies are lost or doubtful", n)
	}
	for _, c := range s.clients {
		log, err := os.ReadFile(filepath.Join(s.rig.Dir, c.Name+".log"))
		s.must(err)
		if n := strings.Count(string(log), "refuses all that is sent"); n == 0 || n > 4 {
			t.Errorf("%s says %d times that the platform refuses, want once or twice in each of two lives", c.Name, n)
		}
	}
}
