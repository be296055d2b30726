package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/wecom"
	"parley/test/ledger"
	"parley/test/rig"
)

// TestRollingRestart is a shorter run of the command with -rolling. It shares the Nacos of other tests, which it leaves alone.
func TestRollingRestart(t *testing.T) {
	nacos := rig.Need(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := plan{
		seed: uint64(time.Now().UnixNano()), length: 13 * time.Second, rate: 12, settle: 2 * time.Minute, within: 5 * time.Second, nacos: nacos,
		manners: manners{turns: 2, eager: 20, burst: 10, stops: 5, patience: 10 * time.Second}, rolling: true, forgiven: 9,
	}
	r, err := p.run(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if !r.ok() {
		t.Fail()
	}
}

func TestRollGoesRound(t *testing.T) {
	a, stateA := puppet("client-1")
	b, stateB := puppet("server-1")
	until, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
	defer cancel()
	s := &strikes{log: t.Logf}
	if err := s.roll(t.Context(), until, [][]*victim{{a, b}}); err != nil {
		t.Fatal(err)
	}
	for i, e := range s.events {
		if want := []string{"client-1", "server-1"}[i%2]; e.Part != want || e.What != "term" {
			t.Errorf("event %d: %s %s", i, e.What, e.Part)
		}
	}
	_, deedsA := stateA()
	_, deedsB := stateB()
	if deedsA["term"] == 0 || deedsA["term"] != deedsA["revive"] || deedsB["term"] != deedsB["revive"] {
		t.Errorf("%v %v", deedsA, deedsB)
	}
}

func TestRollTellsWhoDoesNotLeave(t *testing.T) {
	a, _ := puppet("client-1")
	a.term = func() error { return errors.New("ended with status 1") }
	until, cancel := context.WithCancel(t.Context())
	cancel() // the first round is made all the same
	if err := (&strikes{log: t.Logf}).roll(t.Context(), until, [][]*victim{{a}}); err == nil {
		t.Error("nothing was said of a process that ended badly")
	}
}

func TestRollingVerdict(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	try := func(after time.Duration, status int) wecom.Try {
		return wecom.Try{At: at.Add(after), Took: 10 * time.Millisecond, Status: status}
	}
	left := func(part string, after, took time.Duration) event {
		return event{What: "term", Part: part, At: at.Add(after), Left: took, Gone: took + time.Second}
	}
	whole := []event{left("client-1", 0, time.Second), left("server-1", 5*time.Second, 3*time.Second), left("redis", 10*time.Second, time.Second)}
	const handed = `{"msg":"the grace is over: what still runs is handed over","conversations":3,"grace":1}`
	for _, c := range []struct {
		name    string
		excused map[string]int
		givenUp int
		refused []wecom.Try
		events  []event
		log     string
		want    []string
	}{
		{"all is well", map[string]int{"failed": 0}, 0, nil, whole, handed, nil},
		{"a text log", nil, 0, nil, whole, `msg="the grace is over: what still runs is handed over" conversations=2 grace=1s`, nil},
		{"an apology", map[string]int{"failed": 1}, 0, nil, whole, handed, []string{"apology"}},
		{"given up by the platform", nil, 1, nil, whole, handed, []string{"given up"}},
		{"nothing handed over", nil, 0, nil, whole, "all quiet", []string{"unproven"}},
		{"503 while Redis is away", nil, 0, []wecom.Try{try(10500*time.Millisecond, 503)}, whole, handed, nil},
		{"500 while Redis is away", nil, 0, []wecom.Try{try(10500*time.Millisecond, 500)}, whole, handed, []string{"entry"}},
		{"503 while a client leaves", nil, 0, []wecom.Try{try(500*time.Millisecond, 503)}, whole, handed, []string{"entry"}},
		{"404 while a client starts", nil, 0, []wecom.Try{try(1500*time.Millisecond, 404)}, whole, handed, []string{"entry"}},
		{"one broken while a client leaves", nil, 0, []wecom.Try{try(500*time.Millisecond, 0)}, whole, handed, nil},
		{"many broken while a client leaves", nil, 0, []wecom.Try{try(500*time.Millisecond, 0), try(600*time.Millisecond, 0)}, whole, handed, []string{"entry"}},
		{"broken while nobody leaves", nil, 0, []wecom.Try{try(30*time.Second, 0)}, whole, handed, []string{"entry"}},
		{"no server restarted", nil, 0, nil, slices.Delete(slices.Clone(whole), 1, 2), handed, []string{"unproven"}},
		{"a server that takes too long", nil, 0, nil, append(slices.Clone(whole), left("server-2", 20*time.Second, 40*time.Second)), handed, []string{"slow"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &result{events: c.events, Account: account{Posted: 100, Excused: c.excused, GivenUp: c.givenUp}}
			talked := map[string]*person{"acme1": {name: "acme1", said: []said{{ID: ledger.ID{Person: "acme1", N: 1}, Refused: c.refused}}}}
			r.rolling(talked, map[string]string{"client-1": c.log + "\n"})
			if diff := cmp.Diff(c.want, kinds(r.Account.Faults)); diff != "" {
				t.Errorf("(-want +got):\n%s%v", diff, r.Account.Faults)
			}
		})
	}
}
