package observability

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/alarms"
)

// -slow takes the minute that a message may wait for a minute, and other times a sixth of what they are.
var slow = flag.Bool("slow", false, "times nearer to the true ones; ten minutes")

// TestAlertsFireAndClear makes everything fail that a real Parley depends on, in three groups, with a real Prometheus and the project's rules. In
// each group every alert that the faults are for fires, no other does, and all are gone after the mending.
func TestAlertsFireAndClear(t *testing.T) {
	// What a disk or a core that stands still for a second or two brings about, where times are a thirtieth.
	busy := []string{"ParleySlowAcknowledgement", "ParleyStoreErrors", "ParleyCallbacksUnavailable", "ParleyDocumentsDiffer", "ParleyTurnsQueued",
		"ParleyOldestUnanswered", "ParleyTargetDown"}
	p, within := alarms.Pace{By: 30, Most: 8 * time.Second, Oldest: 5}, 45*time.Second
	if *slow {
		busy = nil
		p, within = alarms.Pace{By: 6, Most: 50 * time.Second, Oldest: 60}, 4*time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	s := newStage(ctx, t, p)
	s.traffic()
	time.Sleep(5 * time.Second)
	s.prom.watch(ctx, t, "all is well", within, nil, nil)

	for _, g := range []struct {
		name         string
		breaks, heal func()
		want         []string
		follow       []string // what may come of it besides
	}{
		{"much at once", s.breakMuch, s.mendMuch, []string{
			"ParleyCertificateExpires", "ParleyCertificateExpiresSoon", "ParleyClockSkew", "ParleyDocumentRefused", "ParleyDegradedForLong", "ParleyRedisMemoryHigh",
			"ParleyChannelBlocked", "ParleySendErrors", "ParleyProviderDown", "ParleyBreakerOpen", "ParleyKeyOutOfMoney", "ParleyKeyRefused", "ParleyTenantKeyRefused",
			"ParleyTurnsFailing", "ParleyDeadLetters", "ParleyConnectionDown", "ParleyTenantMisfit", "ParleyTraceSpansDropped",
		}, nil},
		{"no server, and no memory", s.breakServer, s.mendServer, []string{
			"ParleyNoServer", "ParleyRoleDown", "ParleyTargetDown", "ParleyOldestUnanswered", "ParleyRedisMemoryClosed", "ParleyRedisMemoryHigh", "ParleyCallbacksUnavailable",
		}, []string{"ParleyTurnsQueued", "ParleyTurnsFailing", "ParleyServersEjected"}},
		{"no Redis", s.rig.Redis.Kill, func() { s.must(s.rig.RestartRedis(ctx)) }, []string{"ParleyCallbacksUnavailable", "ParleyStoreErrors"},
			[]string{"ParleyTurnsFailing", "ParleyUsageUnaccounted", "ParleyOldestUnanswered", "ParleyTurnsQueued", "ParleySlowAcknowledgement"}},
	} {
		g.breaks()
		seen := s.prom.watch(ctx, t, g.name, within, g.want, nil)
		for name, summary := range seen {
			if !slices.Contains(g.want, name) && !slices.Contains(g.follow, name) && !slices.Contains(busy, name) {
				t.Errorf("%s: %s fires, for which there is no reason: %s", g.name, name, summary)
			}
		}
		g.heal()
		s.prom.watch(ctx, t, g.name+", mended", within*3/2, nil, nil)
	}
	s.figures()
}

func (s *stage) breakMuch() {
	status := func(model, code string) llm.Rule {
		return llm.Rule{Model: model, Fault: llm.Fault{Kind: llm.FaultStatus, Code: code}}
	}
	s.must(s.model.SetRules(s.ctx, status("gpt-4o-broken", "server_error"), status("gpt-4o-poor", "insufficient_quota"),
		status("gpt-4o-refused", "invalid_api_key"), status("gpt-4o-own", "invalid_api_key")))
	s.company.Sim.Inject(wecom.Fault{API: "message/send", Times: -1, Code: 60020, Message: "not allow to access from your ip, from ip: 203.0.113.7"})
	s.certs.issue("server", 3*24*time.Hour)
	s.certs.issue("client", 20*24*time.Hour)
	s.clock.ahead.Store(10)
	s.traces.refuses.Store(true)
	s.must(s.rig.Publish(s.ctx, "parley-degradation", "switches: [{id: drill, active: true, to: openai, tenants: [beta], reason: a test, by: a test}]\n"))
	s.memory(0.74)
	s.beta("nonesuch", connections)
	time.Sleep(3 * time.Second) // replies of the second application wait by now
	s.acme(false)
	s.routes("providers：\n")
}

func (s *stage) mendMuch() {
	s.must(s.model.SetRules(s.ctx))
	s.company.Sim.Heal()
	s.certs.issue("server", year)
	s.certs.issue("client", year)
	s.clock.ahead.Store(0)
	s.traces.refuses.Store(false)
	s.must(s.rig.Publish(s.ctx, "parley-degradation", "switches: []\n"))
	s.memory(0)
	s.beta("chat", "")
	s.routes("")
	s.operate("drop", "--all", "--reason", "a test")
}

func (s *stage) breakServer() {
	s.server.Kill()
	time.Sleep(2 * time.Second) // some messages are accepted and wait
	s.memory(0.9)
}

func (s *stage) mendServer() {
	s.memory(0)
	again, err := s.server.Restart(s.ctx)
	s.must(err)
	s.server = again
}
