package crowd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/wecom"
	"parley/test/crowd"
	"parley/test/ledger"
)

// platform shows an answer to each message, as planned for its number.
type platform struct {
	crowd *crowd.Crowd
	plan  map[int]func(p *platform, id ledger.ID, answer string) (acked bool)
	turns []ledger.Line
}

func (p *platform) Say(_ context.Context, _ wecom.Ref, user, text string) (wecom.Posted, error) {
	p.turns = append(p.turns, ledger.Line{Role: "user", Text: text})
	answer := ledger.Answer(p.turns)
	p.turns = append(p.turns, ledger.Line{Role: "assistant", Text: answer})
	id, _ := ledger.Answered(answer)
	plan := p.plan[id.N]
	if plan == nil {
		plan = once
	}
	posted := wecom.Posted{Message: wecom.Message{User: user, Text: text}, Acked: plan(p, id, answer), Tries: make([]wecom.Try, 2)}
	if !posted.Acked {
		return posted, errors.New("not acknowledged")
	}
	return posted, nil
}

func once(p *platform, id ledger.ID, answer string) bool {
	p.crowd.Shown(wecom.Sent{User: id.Person, Content: answer})
	return true
}

func TestCrowdKeepsWhatHappened(t *testing.T) {
	cases := []struct {
		name   string
		second func(p *platform, id ledger.ID, answer string) bool
		want   map[ledger.Kind]int
	}{
		{"all well", once, map[ledger.Kind]int{}},
		{"lost", func(*platform, ledger.ID, string) bool { return true }, map[ledger.Kind]int{ledger.Lost: 1, ledger.WrongContext: 1}},
		{"twice", func(p *platform, id ledger.ID, answer string) bool {
			once(p, id, answer)
			return once(p, id, answer)
		}, map[ledger.Kind]int{ledger.Doubled: 1}},
		{"to another", func(p *platform, _ ledger.ID, answer string) bool {
			return once(p, ledger.ID{Person: "bob"}, answer)
		}, map[ledger.Kind]int{ledger.Misdirected: 1, ledger.Lost: 1, ledger.WrongContext: 1}},
		{"apology", func(p *platform, id ledger.ID, _ string) bool { return once(p, id, "抱歉") },
			map[ledger.Kind]int{ledger.Strange: 1, ledger.Lost: 1, ledger.WrongContext: 1}},
		{"refused", func(*platform, ledger.ID, string) bool { return false },
			map[ledger.Kind]int{ledger.Unacknowledged: 1, ledger.WrongContext: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			people := crowd.New()
			p := &platform{crowd: people, plan: map[int]func(*platform, ledger.ID, string) bool{2: c.second}}
			for n := 1; n <= 3; n++ {
				id := ledger.ID{Person: "amy", N: n}
				m := people.Ask(t.Context(), p, wecom.Ref{}, id, time.Now())
				if m.Tries != 2 || m.Acked.IsZero() != (m.Err != "") {
					t.Errorf("message %+v", m)
				}
			}
			r := people.Check(20)
			got := map[ledger.Kind]int{}
			for _, k := range ledger.Kinds() {
				if n := r.Count(k); n > 0 {
					got[k] = n
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, r)
			}
		})
	}
}

func TestAwaitAndSettle(t *testing.T) {
	people := crowd.New()
	p := &platform{crowd: people, plan: map[int]func(*platform, ledger.ID, string) bool{
		1: func(*platform, ledger.ID, string) bool { return true },
	}}
	id := ledger.ID{Person: "amy", N: 1}
	people.Ask(t.Context(), p, wecom.Ref{}, id, time.Now())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := people.Await(ended, id); !errors.Is(err, context.Canceled) {
		t.Errorf("unanswered: %v", err)
	}
	people.Settle(ended, 0) // gives up
	if open, _ := people.Open(); open != 1 {
		t.Errorf("%d open", open)
	}
	done := make(chan error, 2)
	go func() { done <- people.Await(t.Context(), id) }()
	go func() { people.Settle(t.Context(), 0); done <- nil }()
	once(p, id, p.turns[1].Text)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := people.Await(ended, id); err != nil {
		t.Errorf("answered before: %v", err)
	}
}

func TestLatencies(t *testing.T) {
	due := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var list []crowd.Message
	for i := 1; i <= 200; i++ {
		m := crowd.Message{Due: due, Acked: due.Add(time.Duration(i) * time.Millisecond)}
		if i <= 10 {
			m.Answered = due.Add(time.Duration(i) * time.Second)
		}
		list = append(list, m)
	}
	want := crowd.Latency{N: 200, P50: 100 * time.Millisecond, P90: 180 * time.Millisecond, P99: 198 * time.Millisecond, Max: 200 * time.Millisecond}
	if diff := cmp.Diff(want, crowd.Acks(list)); diff != "" {
		t.Errorf("acks (-want +got):\n%s", diff)
	}
	want = crowd.Latency{N: 10, P50: 5 * time.Second, P90: 9 * time.Second, P99: 10 * time.Second, Max: 10 * time.Second}
	if diff := cmp.Diff(want, crowd.Replies(list)); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
	if got := crowd.Acks(nil); got != (crowd.Latency{}) {
		t.Errorf("of nothing: %v", got)
	}
}
