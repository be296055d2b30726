package redisstore

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Who waits does not wait until a clock that was set back, or another node's after a failover, comes to where it was. What is postponed is
// left alone.
func TestClockSetBack(t *testing.T) {
	mr, ctx := miniredis.RunT(t), t.Context()
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	mr.SetTime(now)
	opt := conversation.ClaimOptions{Lease: time.Second}
	for _, id := range []string{"postponed", "waits"} {
		m := say(id, "zhang")
		m.Conversation.ID = id
		got, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if id == "waits" {
			continue
		}
		cs, err := s.Claim(ctx, []conversation.Shard{got.Shard}, "a", 1, opt)
		if err != nil || len(cs) != 1 {
			t.Fatalf("%v, %v", cs, err)
		}
		if _, err := s.Commit(ctx, cs[0], conversation.Outcome{Parts: []chat.Part{chat.Part("x")}, Claim: opt}); err != nil {
			t.Fatal(err)
		}
		if err := s.Postpone(ctx, cs[0], conversation.Postponement{For: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	mr.SetTime(now.Add(-time.Hour))
	if _, err := s.Reap(ctx, allShards("acme")); err != nil {
		t.Fatal(err)
	}
	cs, err := s.Claim(ctx, allShards("acme"), "b", 10, opt)
	if err != nil || len(cs) != 1 || cs[0].Message.ID != "waits" {
		t.Errorf("claimed %+v, %v, want the one that waits", cs, err)
	}
}

// The skew is Redis's distance from this machine's clock, whichever side it is on.
func TestSkew(t *testing.T) {
	mr := miniredis.RunT(t)
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	for _, want := range []time.Duration{time.Hour, -time.Hour, 0} {
		mr.SetTime(time.Now().Add(-want))
		if got, err := s.Skew(t.Context()); err != nil || (got-want).Abs() > 5*time.Second {
			t.Errorf("skew %v, %v; want %v", got, err, want)
		}
	}
}
