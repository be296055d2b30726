package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/crowd"
	"parley/test/ledger"
)

// willing acknowledges everything.
type willing struct{}

func (willing) Say(context.Context, wecom.Ref, string, string) (wecom.Posted, error) {
	return wecom.Posted{Acked: true, Tries: make([]wecom.Try, 1)}, nil
}

// spoken is a result of a run in which one person had one turn, and was shown the texts given.
func spoken(texts ...string) *result {
	people := crowd.New()
	id := ledger.ID{Person: "amy", N: 1}
	people.Ask(context.Background(), willing{}, wecom.Ref{}, id, time.Now())
	for _, t := range texts {
		people.Shown(wecom.Sent{User: "amy", Content: t})
	}
	return &result{plan: plan{conversations: 1, turns: 1}, report: people.Check(20)}
}

func TestVerdict(t *testing.T) {
	right := ledger.Answer([]ledger.Line{{Role: "user", Text: ledger.Question(ledger.ID{Person: "amy", N: 1})}})
	cases := []struct {
		name string
		r    *result
		want bool
	}{
		{"answered once", spoken(right), true},
		{"not answered", spoken(), false},
		{"answered twice", spoken(right, right), false},
		{"an apology first", spoken("抱歉", right), false},
		{"fewer messages than planned", func() *result { r := spoken(right); r.plan.turns = 2; return r }(), false},
		{"a node that did not leave", func() *result { r := spoken(right); r.disorder = []error{errors.New("deaf")}; return r }(), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.r.ok(); got != c.want {
				t.Errorf("got %v\n%s", got, c.r)
			}
			if failed := strings.Contains(c.r.String(), "FAILED"); failed == c.want {
				t.Errorf("the table says FAILED: %v\n%s", failed, c.r)
			}
		})
	}
}
