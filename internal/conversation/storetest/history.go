package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// say runs a whole turn of zhang's and returns the history that it started with.
func (e *env) say(id string, change func(*conversation.Outcome)) conversation.Claim {
	e.Helper()
	e.accept(id)
	c := e.claim("a")
	o := e.outcome(c, 0)
	if change != nil {
		change(&o)
	}
	if n := e.commit(c, o); n.Claim != nil {
		e.Fatalf("next: %+v", n.Claim)
	}
	return c
}

func answers(h []chat.Turn) (out []string) {
	for _, t := range h {
		out = append(out, t.Answer)
	}
	return out
}

func testHistory(e *env) {
	long := chat.Turn{
		Question: "q\x00\"<&>\u2028 " + strings.Repeat("长", 3000), Answer: "a\n\n```go\nx\n```", QuestionTokens: 7, AnswerTokens: 9,
		At: time.Date(2026, 11, 22, 8, 0, 0, 987654321, time.UTC),
	}
	e.say("m1", func(o *conversation.Outcome) { o.Turn = &long })
	e.say("m2", func(o *conversation.Outcome) { o.Turn = nil }) // a command, an apology, a refused turn
	c := e.say("m3", nil)
	e.same("history", c.History, []chat.Turn{long})
	e.say("m4", nil)
	e.accept("m5")
	for _, n := range []int{0, 1, 2, 3, 100} {
		cs, err := e.s.Claim(e.ctx, []conversation.Shard{conversation.ShardOf(zhang)}, "a", 1, conversation.ClaimOptions{Lease: lease, HistoryTurns: n})
		if err != nil {
			e.Fatal(err)
		}
		all := []string{long.Answer, "answer to m3", "answer to m4"}
		e.same(fmt.Sprintf("the newest %d", n), answers(cs[0].History), all[max(0, 3-n):])
		again, err := e.s.History(e.ctx, cs[0], n)
		if err != nil {
			e.Fatal(err)
		}
		e.same(fmt.Sprintf("the newest %d once more", n), answers(again), answers(cs[0].History))
		if err := e.s.Release(e.ctx, cs[0]); err != nil {
			e.Fatal(err)
		}
	}
}

func testHistoryCaps(e *env) {
	turn := func(name string, size int) func(*conversation.Outcome) {
		return func(o *conversation.Outcome) {
			o.Turn = &chat.Turn{Question: "q", Answer: name + strings.Repeat(".", size-1-len(name))}
		}
	}
	check := func(what string, want ...string) {
		e.Helper()
		e.h.Advance(25 * time.Hour / 100)
		c := e.say(fmt.Sprint("look at ", what), func(o *conversation.Outcome) { o.Turn = nil })
		var got []string
		for _, t := range c.History {
			got = append(got, strings.TrimRight(t.Answer, "."))
		}
		e.same(what, got, want)
	}
	e.keep = conversation.Keep{Turns: 3, Bytes: 1000, TTL: time.Hour}
	for i := range 5 {
		e.say(fmt.Sprint("t", i), turn(fmt.Sprint("t", i), 10))
	}
	check("turns", "t2", "t3", "t4")
	e.say("big", turn("big", 980)) // 980+10+10 bytes are just within
	check("bytes, just within", "t3", "t4", "big")
	e.say("byte", turn("byte", 21))
	check("bytes", "byte")
	e.say("t6", turn("t6", 500))
	e.say("t7", turn("t7", 480))
	check("bytes again", "t6", "t7")
	e.say("huge", turn("huge", 1001))
	check("a turn over the cap by itself")
	e.say("t8", turn("t8", 1000))
	check("a turn as large as the cap", "t8")

	e.keep = conversation.Keep{Turns: 2, TTL: time.Hour}
	e.say("t9", turn("t9", 100000))
	check("no limit of bytes", "t8", "t9")
	e.keep.Turns = 1 // a smaller cap applies at the next turn
	e.say("t10", turn("t10", 10))
	check("a smaller cap", "t10")
	e.keep.Turns = 0
	e.say("t11", turn("t11", 10))
	check("no turns: nothing new is kept", "t10")
	e.keep = conversation.Keep{Turns: 5, Bytes: 100, TTL: 0}
	e.say("t12", turn("t12", 10))
	check("no time: nothing is kept")
}

func testHistoryEnds(e *env) {
	e.keep.TTL = 30 * time.Minute
	model := func(o *conversation.Outcome) { o.State.Model = "big" }
	e.say("m1", model)
	e.h.Advance(29 * time.Minute)
	if c := e.say("m2", model); len(c.History) != 1 || c.State.Model != "big" {
		e.Errorf("after 29 minutes: %+v", c)
	}
	e.h.Advance(29 * time.Minute) // each turn starts the time anew
	if c := e.say("m3", model); len(c.History) != 2 {
		e.Errorf("after 29 minutes more: %d turns, want 2", len(c.History))
	}
	e.h.Advance(31 * time.Minute)
	if c := e.say("m4", nil); len(c.History) != 0 || c.State != (conversation.State{}) {
		e.Errorf("after 31 minutes: %d turns, state %+v, want nothing", len(c.History), c.State)
	}
	if c := e.say("m5", nil); len(c.History) != 1 {
		e.Errorf("after the end: %d turns, want the new one only", len(c.History))
	}
}

func testReset(e *env) {
	e.say("m1", nil)
	e.say("m2", nil)
	c := e.say("reset", func(o *conversation.Outcome) { o.Reset, o.Turn = true, nil })
	if len(c.History) != 2 {
		e.Errorf("%d turns before the reset, want 2", len(c.History))
	}
	if c := e.say("m3", nil); len(c.History) != 0 {
		e.Errorf("%d turns after the reset, want 0", len(c.History))
	}
	e.say("both", func(o *conversation.Outcome) { o.Reset = true })
	e.same("a reset comes before its own turn", answers(e.say("m4", nil).History), []string{"answer to both"})
}

func testState(e *env) {
	want := conversation.State{Model: "big \x00\"", Noted: "chatglm"}
	e.say("m1", func(o *conversation.Outcome) { o.State = want })
	if c := e.say("m2", func(o *conversation.Outcome) { o.State = want; o.Turn = nil }); c.State != want {
		e.Errorf("state %+v, want %+v", c.State, want)
	}
	if c := e.say("m3", nil); c.State != want {
		e.Errorf("state %+v after a turn that kept it, want %+v", c.State, want)
	}
	if c := e.say("m4", nil); c.State != (conversation.State{}) {
		e.Errorf("state %+v after it was emptied", c.State)
	}
}

func testDeadLetters(e *env) {
	e.keep.Dead = 48 * time.Hour
	bury := func(id, reason string) {
		e.say(id, func(o *conversation.Outcome) { o.Dead, o.Turn = reason, nil })
	}
	bury("m1", "attempts")
	e.h.Advance(24 * time.Hour)
	bury("m2", "a reason\nof two \"lines\" \xff")
	got, err := e.s.DeadLetters(e.ctx, "acme", 10)
	if err != nil || len(got) != 2 || e.stats().Dead != 2 {
		e.Fatalf("%d dead letters, %v, stats %+v, want 2", len(got), err, e.stats())
	}
	if got[0].Message.ID != "m1" || got[0].Message.Text != "text of m1" || got[0].Reason != "attempts" || got[1].Message.ID != "m2" ||
		got[1].Reason != "a reason\nof two \"lines\" \xff" || !got[0].At.Before(got[1].At) {
		e.Errorf("dead letters: %+v", got)
	}
	if got, err := e.s.DeadLetters(e.ctx, "acme", 1); err != nil || len(got) != 1 || got[0].Message.ID != "m1" {
		e.Errorf("the first: %+v, %v", got, err)
	}
	e.h.Advance(25 * time.Hour)
	if s := e.stats(); s.Dead != 1 {
		e.Errorf("%d dead letters after the first one's time, want 1", s.Dead)
	}
	if got, err := e.s.DeadLetters(e.ctx, "acme", 10); err != nil || len(got) != 1 || got[0].Message.ID != "m2" {
		e.Errorf("left: %+v, %v, want m2", got, err)
	}
	e.h.Advance(24 * time.Hour)
	if s := e.stats(); s.Dead != 0 {
		e.Errorf("%d dead letters after all their time", s.Dead)
	}
	// A repeated commit buries once; a fenced one does not.
	e.accept("m3")
	c := e.claim("a")
	o := conversation.Outcome{Keep: e.keep, Dead: "attempts", Parts: []chat.Part{chat.Part("sorry")}}
	e.commit(c, o)
	e.commit(c, o)
	stranger := c
	stranger.Fence++
	if _, err := e.s.Commit(e.ctx, stranger, o); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("a fenced commit: %v", err)
	}
	if s := e.stats(); s.Dead != 1 {
		e.Errorf("%d dead letters, want 1", s.Dead)
	}
}
