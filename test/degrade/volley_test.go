package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/rpc"
	"parley/test/ledger"
	"parley/test/rig"
)

func named(name string) *server { return &server{Node: &rig.Node{Process: &rig.Process{Name: name}}} }

// scripted answers rightly, after as many turns as it waits for have come.
type scripted struct {
	wait int
	mu   sync.Mutex
	come int
	all  chan struct{}
	reqs []chat.Request
}

func (s *scripted) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: first}})
	s.mu.Lock()
	s.reqs = append(s.reqs, req)
	if s.come++; s.come == s.wait {
		close(s.all)
	}
	s.mu.Unlock()
	select {
	case <-s.all:
	case <-ctx.Done():
		return chat.Reply{}, ctx.Err()
	}
	said := []ledger.Line{{Role: "user", Text: req.History[0].Question}, {Role: "assistant", Text: req.History[0].Answer}, {Role: "user", Text: req.Question}}
	return chat.Reply{Text: ledger.Answer(said)}, nil
}

func (s *scripted) Inspect(context.Context, string) (rpc.Status, error) { return rpc.Status{}, nil }
func (s *scripted) Close() error                                        { return nil }

// TestLoad: turns leave when they are due although none has ended, all servers get their share, and each tenant its tenth at every server.
func TestLoad(t *testing.T) {
	const rate, each = 600, 40
	var servers []*server
	var fakes []*scripted
	for _, name := range []string{"a", "b", "c"} {
		f := &scripted{wait: each, all: make(chan struct{})}
		s := named(name)
		s.client = f
		servers, fakes = append(servers, s), append(fakes, f)
	}
	var s stage
	v := s.load(t.Context(), rate, servers, tenants...)
	for _, f := range fakes {
		<-f.all
	}
	shots := v.stop()
	perServer, perTenant := map[string]int{}, map[string]int{}
	questions := map[string]bool{}
	for i, x := range shots {
		questions[x.question] = true
		if fault := x.stormFault(); fault != "" {
			t.Errorf("turn %d: %s", i, fault)
		}
		if want := shots[0].due.Add(time.Duration(i) * time.Second / rate); !x.due.Equal(want) || x.sent.Before(x.due) || x.ended.Before(x.sent) {
			t.Errorf("turn %d: due %v, sent %v, ended %v", i, x.due, x.sent, x.ended)
		}
		if i < 3*each {
			perServer[x.server]++
			perTenant[x.tenant+" at "+x.server]++
		}
	}
	if diff := cmp.Diff(map[string]int{"a": each, "b": each, "c": each}, perServer); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(questions) != len(shots) {
		t.Errorf("%d turns have %d questions", len(shots), len(questions))
	}
	for who, n := range perTenant {
		if n != each/len(tenants) {
			t.Errorf("%s: %d turns of %d", who, n, each)
		}
	}
	if r := fakes[0].reqs[0]; r.Model != "chat" || r.Turn == "" || r.Conversation == "" {
		t.Errorf("request %+v", r)
	}
}
