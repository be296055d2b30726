package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/sim/llm"
	"parley/test/crowd"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// at is a time so many milliseconds after noon.
func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

// scene is turns of a tenant at a server, each with one call, and what the providers' ledgers hold of them.
type scene struct {
	shots   []*shot
	ledgers map[string][]llm.Entry
}

func (s *scene) add(tenant, server, provider string, sentMS int) *shot {
	if s.ledgers == nil {
		s.ledgers = map[string][]llm.Entry{}
	}
	x := &shot{
		question: tenant + server + at(sentMS).String(), right: "【right】", tenant: tenant, server: server,
		due: at(sentMS - 1), sent: at(sentMS), ended: at(sentMS + 400), starts: []chat.Start{{Provider: provider}},
		reply: chat.Reply{Start: chat.Start{Provider: provider}, Text: "GLM: 【right】嗯……"},
	}
	s.shots = append(s.shots, x)
	s.ledgers[provider] = append(s.ledgers[provider], llm.Entry{Last: x.question, At: at(sentMS), EndedAt: at(sentMS + 390), Outcome: llm.Finished})
	return x
}

func TestEffects(t *testing.T) {
	p := publication{way: openAPI, to: second, began: at(0), at: at(0), until: at(2000), served: at(5), told: map[string]time.Time{"s": at(7)}}
	seen := func(lastMS, firstMS int) []effect {
		return []effect{{Server: "s", Way: openAPI, Last: at(lastMS).Sub(noon), First: at(firstMS).Sub(noon),
			Told: 7 * time.Millisecond, Own: 2 * time.Millisecond}}
	}
	for _, tc := range []struct {
		name   string
		turns  func(*scene)
		want   []effect
		faults string
	}{
		{"at once", func(s *scene) {
			s.add(moved, "s", first, -50)
			s.add(moved, "s", second, 30)
		}, seen(0, 30), ""},
		{"after a while, with both in between", func(s *scene) {
			for ms, provider := range map[int]string{10: first, 80: second, 90: first, 100: second, 1500: second} {
				s.add(moved, "s", provider, ms)
			}
		}, seen(90, 80), ""},
		{"another tenant and another server do not count", func(s *scene) {
			s.add("tenant-b", "s", first, 700)
			s.add(moved, "t", first, 800)
			s.add(moved, "s", second, 5)
		}, seen(0, 5), ""},
		{"what comes after the next publication does not count", func(s *scene) {
			s.add(moved, "s", second, 5)
			s.add(moved, "s", first, 2000)
		}, seen(0, 5), ""},
		{"no turn at all", func(s *scene) { s.add("tenant-b", "s", first, 500) }, nil, ""},
		{"not in force, and no turn after it", func(s *scene) { s.add(moved, "s", first, 200) }, nil, ""},
		{"in force, and turns do not go over", func(s *scene) { s.add(moved, "s", first, 500) }, nil, "s: 1 turns did not go to chatglm"},
		{"in force, and one turn goes back", func(s *scene) {
			s.add(moved, "s", second, 5)
			s.add(moved, "s", first, 900)
		}, seen(900, 5), "s: 1 turns did not go to chatglm"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s scene
			tc.turns(&s)
			got, faults := effects(p, []string{"s"}, s.shots, calls(s.ledgers))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if all := strings.Join(faults, "\n"); !strings.Contains(all, tc.faults) || (all == "") != (tc.faults == "") {
				t.Errorf("faults %q", faults)
			}
		})
	}
}

func TestEffectsOfAServerThatNeverTookIt(t *testing.T) {
	var s scene
	s.add(moved, "s", second, 5)
	list, faults := effects(publication{way: command, to: second, at: at(0), until: at(2000)}, []string{"s"}, s.shots, calls(s.ledgers))
	if len(list) > 0 || len(faults) != 1 || !strings.Contains(faults[0], "s: never had in force") {
		t.Errorf("%v, %q", list, faults)
	}
}

func TestCallsAreInTheirOrder(t *testing.T) {
	made := calls(map[string][]llm.Entry{
		first:  {{Last: "q", At: at(30), ID: 1}, {Last: "q", At: at(50), ID: 2}, {Last: "other", At: at(1), ID: 3}},
		second: {{Last: "q", At: at(10), ID: 4}, {Last: "q", At: at(40), ID: 5}},
	})
	var got []int
	for _, c := range made["q"] {
		got = append(got, c.ID)
	}
	if diff := cmp.Diff([]int{4, 1, 5, 2}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c := made["q"]; c[0].provider != second || c[1].provider != first {
		t.Errorf("providers %s, %s", c[0].provider, c[1].provider)
	}
}

func TestFault(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(x *shot, made *[]call)
		want   string
	}{
		{"right", func(*shot, *[]call) {}, ""},
		{"error", func(x *shot, _ *[]call) { x.err = errors.New("no") }, "failed: no"},
		{"wrong answer", func(x *shot, _ *[]call) { x.right = "【other】" }, "was answered"},
		{"begun twice", func(x *shot, _ *[]call) { x.starts = append(x.starts, x.starts[0]) }, "was begun 2 times"},
		{"called twice", func(_ *shot, made *[]call) { *made = append(*made, (*made)[0]) }, "with 2 calls"},
		{"not called", func(_ *shot, made *[]call) { *made = nil }, "with 0 calls"},
		{"says another provider", func(x *shot, _ *[]call) { x.reply.Provider = first }, "says openai, and went to chatglm"},
		{"cut", func(_ *shot, made *[]call) { (*made)[0].Outcome = llm.Cancelled }, "cancelled"},
		{"fell back", func(x *shot, _ *[]call) { x.reply.Fallback = true }, "fell back to chatglm"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s scene
			x := s.add(moved, "s", second, 0)
			made := calls(s.ledgers)[x.question]
			tc.change(x, &made)
			if got := x.fault(made); !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRunning(t *testing.T) {
	var s scene
	s.add(moved, "s", first, -500) // ended at -100
	s.add(moved, "s", first, -300) // ends at +100
	s.add("tenant-b", "s", first, -300)
	s.add(moved, "s", second, 1)
	if got := running(publication{at: at(0)}, s.shots, calls(s.ledgers)); got != 1 {
		t.Errorf("got %d", got)
	}
}

func TestSummaries(t *testing.T) {
	list := []effect{
		{"b", openAPI, 10, 20, 15, 5}, {"a", openAPI, 30, 40, 35, -1}, {"b", adminAPI, 50, 60, 55, 6},
	}
	one := func(d time.Duration) crowd.Latency { return crowd.Summarize([]time.Duration{d}) }
	want := []switched{
		{"a", one(30), one(40), one(35), crowd.Latency{}},
		{"b", crowd.Summarize([]time.Duration{10, 50}), crowd.Summarize([]time.Duration{20, 60}), crowd.Summarize([]time.Duration{15, 55}),
			crowd.Summarize([]time.Duration{5, 6})},
	}
	if diff := cmp.Diff(want, summaries(list, byServer)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := summaries(list, byWay); len(got) != 2 || got[0].Of != adminAPI || got[1].Last.N != 2 {
		t.Errorf("by way: %+v", got)
	}
}

func TestJudgeOfSwitches(t *testing.T) {
	servers := []*server{named("s")}
	p := publication{way: command, to: second, began: at(-300), at: at(0), ended: at(200), until: at(2000), told: map[string]time.Time{"s": at(7)}}
	var s scene
	s.add(moved, "s", first, -200)
	s.add(moved, "s", second, 20)
	s.add("tenant-b", "s", first, 30)
	r := switches{}.judge([]publication{p}, servers, s.shots, calls(s.ledgers))
	if r.Failed != 0 || r.Faults != nil || r.Moved != 2 || r.OnSecond != 1 || r.Running != 1 || r.Turns != 3 {
		t.Errorf("%+v", r)
	}
	if r.Command.Max != 500*time.Millisecond || r.Entered.Max != 300*time.Millisecond || r.All.Told.Max != 7*time.Millisecond || r.All.First.N != 1 ||
		!strings.Contains(r.Slowest, "number 1 by parley degrade at 12:00:00.000: in force at s after 7ms") {
		t.Errorf("%+v", r)
	}
	s.add("tenant-b", "s", second, 40)
	p.complaint = "not every server has it"
	r = switches{}.judge([]publication{p}, servers, s.shots, calls(s.ledgers))
	if r.Failed != 1 || len(r.Faults) != 2 || !strings.Contains(r.Faults[0], "concerns another tenant") || r.Faults[1] != p.complaint {
		t.Errorf("failed %d, faults %q", r.Failed, r.Faults)
	}
}
