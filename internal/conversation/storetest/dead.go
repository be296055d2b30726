package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/conversation"
)

func (e *env) letters() []conversation.DeadLetter {
	e.Helper()
	got, err := e.s.DeadLetters(e.ctx, "acme", 1000)
	if err != nil {
		e.Fatal(err)
	}
	return got
}

func idsOf(letters []conversation.DeadLetter) (out []conversation.DeadID) {
	for _, d := range letters {
		out = append(out, d.ID)
	}
	return out
}

// bury gives a message of zhang's up.
func (e *env) bury(id string) conversation.DeadID {
	e.Helper()
	e.say(id, func(o *conversation.Outcome) { o.Dead, o.Turn = "attempts", nil })
	all := e.letters()
	i := slices.IndexFunc(all, func(d conversation.DeadLetter) bool { return d.Message.ID == id })
	if i < 0 {
		e.Fatalf("no dead letter of %s in %+v", id, all)
	}
	return all[i].ID
}

func testGraveyard(e *env) {
	var ids []conversation.DeadID
	for _, id := range []string{"m1", "m2", "m3"} {
		ids = append(ids, e.bury(id))
		e.h.Advance(time.Minute)
	}
	if d := e.letters()[0]; d.Claims != 1 || d.ID.Seq != d.Message.Seq || d.ID.Shard != conversation.ShardOf(zhang) {
		e.Errorf("dead letter %+v", d)
	}
	e.h.Advance(time.Hour)
	e.accept("m4")
	stranger := ids[0]
	stranger.Seq += 1000
	e.same("retried", must(e.s.Retry(e.ctx, []conversation.DeadID{ids[0], stranger})), ids[:1])
	e.same("retried again", must(e.s.Retry(e.ctx, ids[:1])), ids[:0])
	e.same("dropped", must(e.s.Drop(e.ctx, []conversation.DeadID{ids[1], ids[0]})), ids[1:2])
	e.same("dropped again", must(e.s.Drop(e.ctx, ids[1:2])), ids[:0])
	e.same("what is left", idsOf(e.letters()), ids[2:])
	if s := e.stats(); s.Dead != 1 || s.Waiting != 2 || s.Ready != 1 {
		e.Errorf("stats: %+v", s)
	}
	// It comes behind what waits, as a message accepted now.
	c := e.claim("a")
	if c.Message.ID != "m4" {
		e.Fatalf("claimed %s", c.Message.ID)
	}
	next := e.finish(c)
	if next == nil || next.Message.ID != "m1" || next.Attempt != 1 || next.Message.Age(next.Now) > 30*time.Minute || next.Message.Seq <= c.Message.Seq || next.Stopped {
		e.Fatalf("retried: %+v", next)
	}
	e.stop("stop") // which finds it like any other
	if !e.finishStopped(*next) {
		e.Error("a stop command did not find the retried message")
	}
	// Where nothing waits, the conversation becomes ready.
	e.same("retried into an idle conversation", must(e.s.Retry(e.ctx, ids[2:])), ids[2:])
	if c := e.claim("a"); c.Message.ID != "m3" || c.Message.Text != "text of m3" || c.Message.User != "zhang" {
		e.Errorf("claimed %+v", c)
	}
	if got := e.put(message(zhang, "m1"), conversation.AcceptOptions{}); !got.Duplicate {
		e.Error("a retried message is accepted anew")
	}
}

// finishStopped ends a message and says whether the stop command behind it found something.
func (e *env) finishStopped(c conversation.Claim) bool {
	e.Helper()
	next := e.finish(c)
	if next == nil {
		e.Fatal("no stop command")
	}
	e.finish(*next)
	return next.Message.Stops
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// However many operators retry and drop at once, each letter is dealt with once.
func testRetryOnce(e *env) {
	var ids []conversation.DeadID
	for i := range 8 {
		ids = append(ids, e.bury(fmt.Sprint("m", i)))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	done := map[conversation.DeadID]int{}
	retried := 0
	for i := range 4 {
		wg.Go(func() {
			do := e.s.Retry
			if i%2 == 1 {
				do = e.s.Drop
			}
			got, err := do(e.ctx, ids)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				e.Errorf("%v", err)
			}
			for _, id := range got {
				done[id]++
			}
			if i%2 == 0 {
				retried += len(got)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if done[id] != 1 {
			e.Errorf("%s was dealt with %d times", id, done[id])
		}
	}
	if s := e.stats(); s.Waiting != retried || s.Dead != 0 {
		e.Errorf("stats %+v, want %d waiting", s, retried)
	}
}

// A mailbox that nobody answers is forgotten after its time, counted, and the conversation goes on as new.
func testMailboxEnds(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	e.commit(c, e.outcome(c, 2)) // a reply that was never delivered, either
	e.die()
	e.h.Advance(conversation.KeepMailbox - time.Hour)
	near := sameShard(1)[0]
	e.put(message(near, "n1"), conversation.AcceptOptions{})
	e.reap(zhang)
	if s := e.stats(); s.Waiting != 3 || s.Ready != 2 || s.Ended != 0 {
		e.Errorf("before its time: %+v", s)
	}
	e.h.Advance(time.Hour)
	e.reap(zhang)
	if s := e.stats(); s.Waiting != 1 || s.Ready != 1 || s.Running != 0 || s.Ended != 2 {
		e.Errorf("after its time: %+v, want the other conversation's message only, and two ended", s)
	}
	e.accept("m3")
	for _, c := range e.claims("a", zhang, 10) {
		if c.Key == zhang && (c.Message.ID != "m3" || c.Unfinished != nil || c.Attempt != 1 || c.Waits != 0) {
			e.Errorf("a new message: %+v", c)
		}
		e.finish(c)
	}
	if s := e.stats(); s.Waiting != 0 || s.Ready != 0 {
		e.Errorf("in the end: %+v", s)
	}

	// Each message begins the time anew; and what is being answered is not taken away.
	e.accept("m4")
	e.h.Advance(conversation.KeepMailbox - time.Hour)
	e.accept("m5")
	e.h.Advance(2 * time.Hour)
	e.reap(zhang)
	c = e.claim("a")
	e.h.Advance(conversation.KeepMailbox)
	if _, err := e.s.Renew(e.ctx, "a", []conversation.Shard{c.Shard}, lease); err != nil {
		e.Fatal(err)
	}
	e.reap(zhang)
	if next := e.finish(c); next == nil || next.Message.ID != "m5" {
		e.Errorf("next: %+v, want m5", next)
	}
	// Nobody ran for long: whatever the store forgot by itself, nothing is stuck or below zero.
	e.die()
	e.h.Advance(30 * 24 * time.Hour)
	e.reap(zhang)
	if s := e.stats(); s.Waiting != 0 || s.Ready != 0 || s.Running != 0 {
		e.Errorf("a month later: %+v", s)
	}
	e.accept("m6")
	if c := e.claim("b"); c.Message.ID != "m6" || e.finish(c) != nil {
		e.Errorf("claimed %+v", c)
	}
	if s := e.stats(); s.Waiting != 0 {
		e.Errorf("in the end: %+v", s)
	}
}
