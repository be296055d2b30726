package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// merging accepts a message that is to become one with the last of its mailbox: texts joined by +, all else the new one's.
func merging(m chat.Message, asked *[]conversation.Waiting) conversation.AcceptOptions {
	return conversation.AcceptOptions{Merge: func(last conversation.Waiting) (chat.Message, bool) {
		if asked != nil {
			*asked = append(*asked, last)
		}
		merged := m
		merged.Text = last.Text + "+" + m.Text
		return merged, true
	}}
}

func (e *env) merge(id string, asked *[]conversation.Waiting) conversation.Accepted {
	e.Helper()
	m := message(zhang, id)
	m.Address = json.RawMessage(`{"to":"` + id + `"}`)
	m.Images = []chat.Image{{Ref: json.RawMessage(`"` + id + `"`)}}
	return e.put(m, merging(m, asked))
}

// A message becomes one with the one that waits before it, and never with the head.
func testMerge(e *env) {
	var asked []conversation.Waiting
	first, second := e.merge("m1", &asked), e.merge("m2", &asked)
	if first.Merged || second.Merged || !first.Ready || len(asked) > 0 {
		e.Fatalf("%+v, %+v, asked about %+v; want two messages", first, second, asked)
	}
	e.h.Advance(3 * time.Second)
	third := e.merge("m3", &asked)
	if !third.Merged || third.Ready || third.Shed != "" || third.Seq <= second.Seq || len(asked) != 1 || asked[0].ID != "m2" || asked[0].Seq != second.Seq {
		e.Fatalf("%+v, asked about %+v", third, asked)
	}
	if st := e.stats(); st.Waiting != 2 || st.Ready != 1 {
		e.Errorf("%+v, want 2 messages of 1 conversation", st)
	}
	c := e.claim("a")
	if c.Message.ID != "m1" || c.Message.Text != "text of m1" || c.Waits != 1 {
		e.Errorf("claimed %+v, %d wait", c.Message, c.Waits)
	}
	fourth := e.merge("m4", &asked) // while the head is worked on
	e.commit(c, e.outcome(c, 1))
	next := e.delivered(c, 0).Claim
	if next == nil {
		e.Fatal("nothing waits")
	}
	want := message(zhang, "m4")
	want.Text, want.Address, want.Images = "text of m2+text of m3+text of m4", json.RawMessage(`{"to":"m4"}`), []chat.Image{{Ref: json.RawMessage(`"m4"`)}}
	if d := cmp.Diff(want, next.Message.Message); d != "" || next.Message.Seq != fourth.Seq || next.Attempt != 1 || next.Waits != 0 || len(next.History) != 1 {
		e.Errorf("claimed %+v (-want +got):\n%s", next, d)
	}
	if waited := next.Message.Age(next.Now); waited < 3*time.Second {
		e.Errorf("it waits since %v; the first of them was there before", waited)
	}
	if e.finish(*next) != nil || e.stats().Waiting != 0 {
		e.Errorf("%+v is left", e.stats())
	}
	for _, id := range []string{"m1", "m2", "m3", "m4"} {
		if got := e.merge(id, nil); !got.Duplicate || got.Merged {
			e.Errorf("%s again: %+v", id, got)
		}
	}
	e.nothingReady(zhang)
}

// What is not to be one, or cannot be, stands for itself.
func testMergeNot(e *env) {
	e.accept("m1", "m2")
	no := conversation.AcceptOptions{Merge: func(conversation.Waiting) (chat.Message, bool) { return chat.Message{}, false }}
	if got := e.put(message(zhang, "m3"), no); got.Merged {
		e.Errorf("%+v, and nobody wanted it", got)
	}
	shed := merging(message(zhang, "m4"), nil)
	shed.Waiting = 3
	if got := e.put(message(zhang, "m4"), shed); got.Merged || got.Shed != conversation.ShedBusy {
		e.Errorf("%+v, want it shed and alone", got)
	}
	other := zhang
	other.ID = "li"
	m := message(other, "m5")
	if got := e.put(m, merging(m, nil)); got.Merged {
		e.Errorf("%+v with another conversation's", got)
	}
	if got := e.merge("m1", nil); !got.Duplicate || got.Merged {
		e.Errorf("a duplicate: %+v", got)
	}
	var texts []string
	for c := e.claim("a"); ; {
		texts = append(texts, c.Message.Text)
		next := e.finish(c)
		if next == nil {
			break
		}
		c = *next
	}
	e.same("texts", texts, []string{"text of m1", "text of m2", "text of m3", "text of m4"})
}

// A stop command stops what is one as it stops what is not, and nothing is put behind it by way of a message before it.
func testMergeStops(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	e.merge("m3", nil) // with m2
	e.stop("stop")
	var asked []conversation.Waiting
	decline := conversation.AcceptOptions{Merge: func(last conversation.Waiting) (chat.Message, bool) {
		asked = append(asked, last)
		return chat.Message{}, false
	}}
	e.put(message(zhang, "m4"), decline)
	e.put(message(zhang, "m5"), decline)
	e.merge("m6", nil) // with m5
	if len(asked) != 2 || asked[0].ID != "stop" || asked[1].ID != "m4" {
		e.Errorf("asked about %+v", asked)
	}
	type seen struct {
		text    string
		stopped bool
	}
	var got []seen
	for next := e.finish(c); next != nil; {
		got = append(got, seen{next.Message.Text, next.Stopped})
		next = e.finish(*next)
	}
	want := []seen{{"text of m2+text of m3", true}, {"text of stop", false}, {"text of m4", false}, {"text of m5+text of m6", false}}
	if !slices.Equal(got, want) {
		e.Errorf("claimed %+v, want %+v", got, want)
	}

	e.accept("n1", "n2")
	e.merge("n3", nil)
	next := e.finish(e.claim("a"))
	e.stop("stop n") // finds it
	if next = e.finish(*next); next == nil || !next.Message.Stops {
		e.Errorf("the stop command found nothing: %+v", next)
	}
}

// Dead letters and takeovers are of the whole.
func testMergeDead(e *env) {
	e.accept("m1", "m2")
	e.merge("m3", nil)
	c := e.claim("a")
	next := *e.finish(c)
	e.die()
	again := e.claim("b")
	if again.Message.Text != "text of m2+text of m3" || again.Attempt != 2 || again.Message.Seq != next.Message.Seq {
		e.Errorf("taken over: %+v", again)
	}
	o := e.outcome(again, 1)
	o.Dead, o.Turn = "attempts", nil
	e.commit(again, o)
	e.delivered(again, 0)
	letters, err := e.s.DeadLetters(e.ctx, "acme", 10)
	if err != nil || len(letters) != 1 || letters[0].Message.Text != "text of m2+text of m3" || letters[0].Message.ID != "m3" {
		e.Errorf("dead letters %+v, %v", letters, err)
	}
	if st := e.stats(); st.Waiting != 0 || st.Dead != 1 {
		e.Errorf("%+v", st)
	}
}

// Many write at once, and somebody works meanwhile: every text comes out once, and in the order in which each was written.
func testMergeConcurrently(e *env) {
	const writers, each = 6, 25
	e.accept("head")
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				m := message(zhang, fmt.Sprintf("%c%02d", 'a'+w, i))
				m.Text = m.ID
				opt := merging(m, nil)
				opt.DedupeFor = dedupe
				if _, err := e.s.Accept(e.ctx, m, opt); err != nil {
					e.Errorf("accept: %v", err)
				}
			}
		})
	}
	var texts []string
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for over := false; ; {
		for _, c := range e.claims("w", zhang, 1) {
			for next := &c; next != nil; next = e.finish(*next) {
				texts = append(texts, strings.Split(next.Message.Text, "+")...)
			}
		}
		if over {
			break
		}
		select {
		case <-done:
			over = true // one more look: something may have come just before
		default:
		}
	}
	if len(texts) != writers*each+1 {
		e.Errorf("%d texts came out, want %d", len(texts), writers*each+1)
	}
	last := map[byte]string{}
	for _, text := range texts {
		if text <= last[text[0]] {
			e.Errorf("%s came after %s", text, last[text[0]])
		}
		last[text[0]] = text
	}
	if st := e.stats(); st.Waiting != 0 || st.Ready != 0 {
		e.Errorf("%+v is left", st)
	}
}
