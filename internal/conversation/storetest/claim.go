package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func testClaim(e *env) {
	e.nothingReady(zhang)
	e.accept("m1", "m2")
	c := e.claim("a")
	if c.Key != zhang || c.Shard != conversation.ShardOf(zhang) || c.Owner != "a" || c.Handle == "" || c.Fence <= 0 || c.Attempt != 1 ||
		c.Waits != 1 || c.Stopped || c.Unfinished != nil || c.History != nil || c.State != (conversation.State{}) || c.Now.IsZero() {
		e.Errorf("claim: %+v", c)
	}
	if age := c.Message.Age(c.Now); age < 0 || age > time.Hour {
		e.Errorf("age of the message: %v", age)
	}
	e.nothingReady(zhang) // one owner at a time
	e.accept("m3")
	e.nothingReady(zhang)

	e.h.Advance(5 * time.Second)
	if next := e.finish(c); next == nil || next.Message.ID != "m2" {
		e.Errorf("next: %+v, want m2", next)
	} else if age := next.Message.Age(next.Now); age < 5*time.Second {
		e.Errorf("age of the second message: %v, want at least the 5 s that passed", age)
	}
}

// Who waited longest is served first, also after a crash or a handover.
func testClaimOrder(e *env) {
	keys := sameShard(5)
	for _, k := range keys {
		e.put(message(k, "m-"+k.ID), conversation.AcceptOptions{})
		e.h.Advance(time.Second)
	}
	ids := func(cs []conversation.Claim) (out []string) {
		for _, c := range cs {
			out = append(out, c.Key.ID)
		}
		return out
	}
	want := func(from, to int) (out []string) {
		for _, k := range keys[from:to] {
			out = append(out, k.ID)
		}
		return out
	}
	two := e.claims("a", zhang, 2)
	e.same("the first two", ids(two), want(0, 2))
	if err := e.s.Release(e.ctx, two[0]); err != nil {
		e.Fatal(err)
	}
	e.same("a released one keeps its place", ids(e.claims("b", zhang, 2)), []string{keys[0].ID, keys[2].ID})
	e.same("none for none", ids(e.claims("b", zhang, 0)), []string(nil))
	e.die()
	e.same("all, after their owners died", ids(e.claims("c", zhang, 10)), want(0, 5))
}

// What a message says, and what a reply needs of it, comes out as it went in.
func testMessageSurvives(e *env) {
	m := chat.Message{
		ID: "id \xff\x00", Conversation: zhang, User: "user \xfe", Kind: chat.KindUnsupported, Text: "hé\x00\"<&>\u2028😀\r\n" + string(make([]byte, 5000)),
		SentAt: time.Date(2026, 11, 22, 8, 9, 10, 123456789, time.UTC), Address: json.RawMessage(`{"to":["a","b"],"n":1.5}`),
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	m.Conversation.ID = "\xff conversation"
	got := e.put(m, conversation.AcceptOptions{})
	cs := e.claims("a", m.Conversation, 1)
	if len(cs) != 1 {
		e.Fatalf("claimed %d", len(cs))
	}
	w := cs[0].Message
	e.same("message", w.Message, m)
	if w.Seq != got.Seq || w.Stops || w.Shed != "" {
		e.Errorf("waiting: %+v", w)
	}
	if cs[0].Key != m.Conversation {
		e.Errorf("key %q, want %q", cs[0].Key, m.Conversation)
	}
}

func testFencesRise(e *env) {
	var fences []int64
	for i, k := range sameShard(4) {
		e.put(message(k, fmt.Sprint("m", i)), conversation.AcceptOptions{})
	}
	for range 3 {
		for _, c := range e.claims("a", zhang, 10) {
			fences = append(fences, c.Fence)
		}
		e.die()
	}
	if len(fences) != 12 || !slices.IsSorted(fences) || len(slices.Compact(slices.Clone(fences))) != 12 {
		e.Errorf("fences of a shard: %v, want 12 strictly rising", fences)
	}
	// Also when nothing was kept in between.
	for _, c := range e.claims("a", zhang, 10) {
		e.finish(c)
	}
	e.h.Advance(1000 * time.Hour)
	e.accept("later")
	if c := e.claim("a"); c.Fence <= fences[11] {
		e.Errorf("fence %d after 1000 idle hours, want above %d", c.Fence, fences[11])
	}
}

func testLostClaim(e *env) {
	e.accept("m1")
	lost := e.claim("a") // its answer never arrived
	held, err := e.s.Owned(e.ctx, lost.Shard, "a")
	if err != nil {
		e.Fatal(err)
	}
	e.same("owned", held, []conversation.Held{{Shard: lost.Shard, Handle: lost.Handle, Fence: lost.Fence}})
	got, err := e.s.Renew(e.ctx, "a", []conversation.Shard{lost.Shard}, lease)
	if err != nil || got.Owns[lost.Shard] != 1 {
		e.Errorf("renew: %+v, %v, want one conversation owned", got, err)
	}
	err = e.s.Release(e.ctx, conversation.Claim{Shard: held[0].Shard, Owner: "a", Handle: held[0].Handle, Fence: held[0].Fence})
	if err != nil {
		e.Fatal(err)
	}
	if held, err := e.s.Owned(e.ctx, lost.Shard, "a"); err != nil || len(held) != 0 {
		e.Errorf("owned after the release: %v, %v", held, err)
	}
	if c := e.claim("b"); c.Attempt != 1 || c.Fence <= lost.Fence {
		e.Errorf("attempt %d fence %d, want 1 and above %d", c.Attempt, c.Fence, lost.Fence)
	}
	e.fenced(lost)
}

func testRelease(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	for range 2 { // the second repeats a release whose answer was lost
		if err := e.s.Release(e.ctx, c); err != nil {
			e.Fatal(err)
		}
	}
	e.fenced(c)
	b := e.claim("b")
	if b.Attempt != 1 || b.Message.ID != "m1" || b.Waits != 1 {
		e.Errorf("after a handover: %+v, want attempt 1 of m1", b)
	}
	// With a reply on its way, the reply is handed over.
	o := e.outcome(b, 2)
	e.commit(b, o)
	e.delivered(b, 0)
	if err := e.s.Release(e.ctx, b); err != nil {
		e.Fatal(err)
	}
	d := e.claim("d")
	if d.Unfinished == nil || d.Unfinished.Next != 1 || d.Attempt != 1 {
		e.Fatalf("handed over: %+v, want part 1 to go", d)
	}
	e.same("parts", d.Unfinished.Parts, o.Parts)
	// A wrong owner or fence changes nothing.
	for _, wrong := range []conversation.Claim{
		{Shard: d.Shard, Handle: d.Handle, Owner: "b", Fence: d.Fence}, {Shard: d.Shard, Handle: d.Handle, Owner: "d", Fence: d.Fence + 1},
		{Shard: d.Shard, Handle: "no such", Owner: "d", Fence: d.Fence}, {Shard: d.Shard, Handle: d.Handle, Owner: "", Fence: d.Fence},
	} {
		if err := e.s.Release(e.ctx, wrong); err != nil {
			e.Errorf("release of %+v: %v", wrong, err)
		}
	}
	e.nothingReady(zhang)
	if next := e.delivered(d, 1).Claim; next == nil || next.Message.ID != "m2" {
		e.Errorf("next: %+v, want m2", next)
	}
}
