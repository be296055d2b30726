package edge

import (
	"fmt"
	"testing"
	"time"

	"parley/internal/audit"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
	"parley/test/realdeps"
)

// TestRightsOfSteps runs what TestUsersMayCallWhatScriptsCall only compares: each user of deploy/redis-users does its own steps, whole.
func TestRightsOfSteps(t *testing.T) {
	server := redisWith(t.Context(), t, redisUsers(t, "acme"), realdeps.Redis{})
	ctx := t.Context()
	store := func(user string) *redisstore.Store {
		s, err := redisstore.New(redisstore.Options{Addrs: []string{server.Addr}, Username: user, Password: chat.NewSecret(password + user), Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	acme, operator := store("acme"), store("operator")
	opt := conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 5}
	notices := acme.Stops(ctx, "owner", func() []string { return []string{"acme"} })
	keep := conversation.Keep{Turns: 5, TTL: time.Hour}
	key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
	say := func(id string, stop bool) {
		t.Helper()
		_, err := acme.Accept(ctx, chat.Message{ID: id, Conversation: key, User: "zhang", Kind: chat.KindText, Text: "x"},
			conversation.AcceptOptions{DedupeFor: time.Hour, Stop: stop, UserPerMinute: 100, Waiting: 100})
		must("accept", err)
	}
	claim := func() conversation.Claim {
		t.Helper()
		cs, err := acme.Claim(ctx, []conversation.Shard{conversation.ShardOf(key)}, "owner", 1, opt)
		must("claim", err)
		if len(cs) != 1 {
			t.Fatal("nothing to claim")
		}
		return cs[0]
	}
	commit := func(c conversation.Claim, o conversation.Outcome) (next *conversation.Claim) {
		t.Helper()
		o.Keep, o.Claim, o.User = keep, opt, "hash"
		o.Spent = []chat.Spend{{Provider: "p", Model: "m", Usage: chat.Usage{Input: 1}}}
		n, err := acme.Commit(ctx, c, o)
		must("commit", err)
		return n.Claim
	}
	for i := range 3 {
		say(fmt.Sprint("m", i), false)
		commit(claim(), conversation.Outcome{Dead: "attempts"})
	}
	say("running", false)
	c := claim()
	say("stop", true)
	select {
	case <-notices:
	case <-time.After(20 * time.Second):
		t.Error("no notice of the stop command")
	}
	must("append", acme.Append(ctx, key, "1-1", []byte("x"), time.Hour))
	gone, err := acme.Forget(ctx, c, "hash")
	must("forget", err)
	if gone.Letters != 3 || gone.Days != 1 || gone.Shown != 1 {
		t.Errorf("forgotten: %+v", gone)
	}
	next := commit(c, conversation.Outcome{Dead: "attempts"})
	if next == nil || !next.Message.Stops {
		t.Fatalf("next: %+v, want the stop command", next)
	}

	letters, err := operator.DeadLetters(ctx, "acme", 10)
	must("dead letters as operator", err)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters", len(letters))
	}
	id := []conversation.DeadID{letters[0].ID}
	_, err = operator.Stats(ctx, "acme")
	must("stats as operator", err)
	done, err := operator.Retry(ctx, id)
	must("retry as operator", err)
	if len(done) != 1 {
		t.Errorf("retried %v", done)
	}
	if next = commit(*next, conversation.Outcome{}); next == nil || next.Message.ID != "running" {
		t.Fatalf("next: %+v, want the retried message", next)
	}
	commit(*next, conversation.Outcome{Dead: "attempts"})
	if letters, err = operator.DeadLetters(ctx, "acme", 10); err != nil || len(letters) != 1 {
		t.Fatalf("dead again: %v, %v", letters, err)
	}
	done, err = operator.Drop(ctx, []conversation.DeadID{letters[0].ID})
	must("drop as operator", err)
	if len(done) != 1 {
		t.Errorf("dropped %v", done)
	}
	_, err = operator.Record(ctx, audit.Operators, audit.Entry{Action: "drop"}, audit.MinKeep)
	must("operators' audit log", err)
	_, err = acme.Record(ctx, "acme", audit.Entry{Action: "forget"}, audit.MinKeep)
	must("tenant's audit log", err)
	if _, err := operator.Full(ctx); err != nil {
		t.Errorf("INFO as operator: %v", err)
	}
	if _, err := acme.Full(ctx); err != nil {
		t.Errorf("INFO as a client: %v", err)
	}
	log, err := as(t, server.Addr, "test").ACLLog(ctx, 100).Result()
	must("ACL LOG", err)
	for _, e := range log {
		if e.Username != "operator" || e.Object != "zremrangebyscore" { // stats forgets dead letters where it may
			t.Errorf("%s was refused %s %s in %s", e.Username, e.Reason, e.Object, e.Context)
		}
	}
}
