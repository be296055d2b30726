// Package storetest is the executable contract of [conversation.Store]. Every store runs the same cases; a store passes if and only if
// the conversation service may rely on it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Store is what is tested: the contract, and what operators read.
type Store interface {
	conversation.Store
	conversation.Graveyard
}

// Harness is a fresh, empty store with control over its clock.
type Harness struct {
	Store Store
	// Advance makes the store's clock, and every key's time to live, pass by d at once. It is safe for use beside the store.
	Advance func(d time.Duration)
	// Keys lists all stored keys with the time they still live (negative: for ever). nil if the store has no keys.
	Keys func() map[string]time.Duration
}

// Tenants are the only tenants that the suite uses.
var Tenants = []string{"acme", "other"}

const (
	lease  = 10 * time.Second
	dedupe = 24 * time.Hour
)

// Run runs every case on a fresh harness.
func Run(t *testing.T, open func(*testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*env)
	}{
		{"accept", testAccept},
		{"accept dedupes", testDedupe},
		{"accept once", testOnce},
		{"accept concurrently", testAcceptConcurrently},
		{"hostile ids", testHostileIDs},
		{"shed rate", testShedRate},
		{"shed busy", testShedBusy},
		{"merge", testMerge},
		{"merge not", testMergeNot},
		{"merge and stop", testMergeStops},
		{"merge and die", testMergeDead},
		{"merge concurrently", testMergeConcurrently},
		{"claim", testClaim},
		{"claim oldest first", testClaimOrder},
		{"message survives", testMessageSurvives},
		{"turn", testTurn},
		{"turn without parts", testTurnWithoutParts},
		{"next message", testNextMessage},
		{"order of parts", testPartOrder},
		{"fences rise", testFencesRise},
		{"repeat every step", testRepeatEveryStep},
		{"repeat the last step", testRepeatLastStep},
		{"repeat too late", testRepeatTooLate},
		{"pace", testPace},
		{"pace holds", testPaceHolds},
		{"postpone", testPostpone},
		{"postpone what may have been shown", testPostponeMaybe},
		{"postponed by when they are due", testPostponeOrder},
		{"give up", testGiveUp},
		{"give up what is a dead letter", testGiveUpOnce},
		{"refuses without a reply", testReplyRefuses},
		{"lost claim", testLostClaim},
		{"release", testRelease},
		{"renew", testRenew},
		{"lost lease", testLostLease},
		{"long turn", testLongTurn},
		{"reap", testReap},
		{"takeover", testTakeover},
		{"attempts", testAttempts},
		{"unfinished is no attempt", testUnfinishedIsNoAttempt},
		{"stop the running message", testStopRunning},
		{"stop waiting messages", testStopWaiting},
		{"stop nothing", testStopNothing},
		{"stop after the answer", testStopAfterAnswer},
		{"stop too late", testStopTooLate},
		{"stop notices end", testStopsEnd},
		{"history", testHistory},
		{"history caps", testHistoryCaps},
		{"history ends", testHistoryEnds},
		{"reset", testReset},
		{"state", testState},
		{"dead letters", testDeadLetters},
		{"retry and drop dead letters", testGraveyard},
		{"dead letters are retried once", testRetryOnce},
		{"forget", testForget},
		{"forget again", testForgetAgain},
		{"forget under the fence", testForgetFenced},
		{"forget does not wait", testForgetDoesNotWait},
		{"mailboxes end", testMailboxEnds},
		{"usage", testUsage},
		{"usage by day", testUsageDays},
		{"spend", testSpend},
		{"spend concurrently", testSpendConcurrently},
		{"budget", testBudget},
		{"budget of a person", testBudgetUser},
		{"budget by day", testBudgetDays},
		{"reservations end", testReservationsEnd},
		{"settle once", testSettleOnce},
		{"budget concurrently", testBudgetConcurrently},
		{"budget refuses", testBudgetRefuses},
		{"seats", testSeats},
		{"seats asked for again", testSeatsRepeated},
		{"seats of a lowered limit", testSeatsLowered},
		{"seats of a dead owner", testSeatsEnd},
		{"seats concurrently", testSeatsConcurrently},
		{"seats refuse", testSeatsRefuse},
		{"look", testLook},
		{"stats", testStats},
		{"tenants are apart", testTenantsApart},
		{"refuses", testRefuses},
		{"canceled context", testCanceled},
		{"everything has an end", testEverythingHasAnEnd},
		{"nothing stays", testNothingStays},
		{"hammer", testHammer},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t)
			c.test(&env{T: t, h: h, s: h.Store, ctx: t.Context(), keep: conversation.Keep{Turns: 20, Bytes: 1 << 20, TTL: 30 * time.Minute}})
		})
	}
}

// env is one case's world.
type env struct {
	*testing.T
	h    Harness
	s    Store
	ctx  context.Context
	keep conversation.Keep
}

// zhang is the conversation of most cases.
var zhang = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}

func message(key chat.ConversationKey, id string) chat.Message {
	return chat.Message{ID: id, Conversation: key, User: key.ID, Kind: chat.KindText, Text: "text of " + id}
}

var claimOptions = conversation.ClaimOptions{Lease: lease, HistoryTurns: 100}

// put accepts one message as opt has it; zero options are a plain accept.
func (e *env) put(m chat.Message, opt conversation.AcceptOptions) conversation.Accepted {
	e.Helper()
	opt.DedupeFor = dedupe
	got, err := e.s.Accept(e.ctx, m, opt)
	if err != nil {
		e.Fatalf("accept %.40q: %v", m.ID, err)
	}
	return got
}

// accept puts messages with these ids into zhang's conversation.
func (e *env) accept(ids ...string) {
	e.Helper()
	for _, id := range ids {
		if got := e.put(message(zhang, id), conversation.AcceptOptions{}); got.Duplicate || got.Seq == 0 {
			e.Fatalf("accept %s: %+v", id, got)
		}
	}
}

func (e *env) stop(id string) conversation.Accepted {
	e.Helper()
	return e.put(message(zhang, id), conversation.AcceptOptions{Stop: true})
}

// claims claims all it can in a conversation's shard.
func (e *env) claims(owner string, key chat.ConversationKey, most int) []conversation.Claim {
	e.Helper()
	got, err := e.s.Claim(e.ctx, []conversation.Shard{conversation.ShardOf(key)}, owner, most, claimOptions)
	if err != nil {
		e.Fatalf("claim: %v", err)
	}
	return got
}

// claim claims zhang's conversation, which must be ready.
func (e *env) claim(owner string) conversation.Claim {
	e.Helper()
	got := e.claims(owner, zhang, 10)
	if len(got) != 1 {
		e.Fatalf("%s claimed %d conversations, want 1", owner, len(got))
	}
	return got[0]
}

func (e *env) nothingReady(key chat.ConversationKey) {
	e.Helper()
	if got := e.claims("nobody", key, 10); len(got) != 0 {
		e.Fatalf("claimed %+v, want nothing ready", got)
	}
}

// outcome is a turn's result with n parts.
func (e *env) outcome(c conversation.Claim, n int) conversation.Outcome {
	o := conversation.Outcome{Keep: e.keep, Claim: claimOptions, Turn: turnOf(c)}
	for i := range n {
		o.Parts = append(o.Parts, chat.Part(fmt.Sprintf("part %d of %s \x00\xff", i, c.Message.ID)))
	}
	return o
}

func turnOf(c conversation.Claim) *chat.Turn {
	return &chat.Turn{
		Question: c.Message.Text, Answer: "answer to " + c.Message.ID, QuestionTokens: 3, AnswerTokens: 5,
		At: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
	}
}

func (e *env) commit(c conversation.Claim, o conversation.Outcome) conversation.Next {
	e.Helper()
	n, err := e.s.Commit(e.ctx, c, o)
	if err != nil {
		e.Fatalf("commit %s with fence %d: %v", c.Message.ID, c.Fence, err)
	}
	return n
}

func (e *env) delivered(c conversation.Claim, part int) conversation.Next {
	e.Helper()
	n, err := e.s.Delivered(e.ctx, c, part, claimOptions)
	if err != nil {
		e.Fatalf("delivered %s part %d with fence %d: %v", c.Message.ID, part, c.Fence, err)
	}
	return n
}

// finish commits one part and delivers it.
func (e *env) finish(c conversation.Claim) *conversation.Claim {
	e.Helper()
	e.commit(c, e.outcome(c, 1))
	return e.delivered(c, 0).Claim
}

func (e *env) reap(key chat.ConversationKey) int {
	e.Helper()
	n, err := e.s.Reap(e.ctx, []conversation.Shard{conversation.ShardOf(key)})
	if err != nil {
		e.Fatalf("reap: %v", err)
	}
	return n
}

// die lets the leases of all owners end and returns their conversations to ready.
func (e *env) die() int {
	e.Helper()
	e.h.Advance(lease + time.Second)
	return e.reap(zhang)
}

func (e *env) stats() conversation.Stats {
	e.Helper()
	got, err := e.s.Stats(e.ctx, "acme")
	if err != nil {
		e.Fatalf("stats: %v", err)
	}
	return got
}

// fenced checks that claim c can do nothing any more.
func (e *env) fenced(c conversation.Claim) {
	e.Helper()
	if _, err := e.s.Commit(e.ctx, c, conversation.Outcome{Keep: e.keep, Turn: turnOf(c)}); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("commit of a fenced claim: %v, want ErrFenced", err)
	}
	for part := range 3 {
		if _, err := e.s.Delivered(e.ctx, c, part, claimOptions); !errors.Is(err, conversation.ErrFenced) {
			e.Errorf("delivered of a fenced claim: %v, want ErrFenced", err)
		}
	}
	if err := e.s.Release(e.ctx, c); err != nil {
		e.Errorf("release of a fenced claim: %v, want no error", err)
	}
}

// same compares what two calls returned, but for the clock.
func (e *env) same(what string, got, want any) {
	e.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(conversation.Claim{}, "Now"), cmpopts.EquateEmpty()); d != "" {
		e.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// sameShard makes n conversations that share zhang's shard.
func sameShard(n int) []chat.ConversationKey {
	var out []chat.ConversationKey
	for i := 0; len(out) < n; i++ {
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("user-", i)}
		if conversation.ShardOf(key) == conversation.ShardOf(zhang) {
			out = append(out, key)
		}
	}
	return out
}
