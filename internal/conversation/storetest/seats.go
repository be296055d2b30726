package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// seats is one owner's way to acme's seats.
type seats struct {
	*env
	owner string
	seq   int64
}

func (e *env) seatsOf(owner string) *seats { return &seats{env: e, owner: owner} }

// ask asks with the next number and wants the answer to be as told.
func (s *seats) ask(a conversation.SeatAsk, held, free int) {
	s.Helper()
	s.seq++
	a.Seq = s.seq
	s.again(a, held, free)
}

func (s *seats) again(a conversation.SeatAsk, held, free int) {
	s.Helper()
	a.Tenant = "acme"
	got, err := s.s.Seat(s.ctx, s.owner, []conversation.SeatAsk{a}, lease)
	if err != nil {
		s.Fatalf("seat: %v", err)
	}
	if want := (conversation.Seated{Held: held, Free: free}); got["acme"] != want || len(got) != 1 {
		s.Errorf("%s asked %+v and got %+v, want %+v", s.owner, a, got, want)
	}
}

func testSeats(e *env) {
	a, b := e.seatsOf("a"), e.seatsOf("b")
	a.ask(conversation.SeatAsk{Limit: 5, Need: 3}, 3, 2)
	b.ask(conversation.SeatAsk{Limit: 5, Need: 4}, 2, 0)
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 2, Need: 4}, 2, 0)
	a.ask(conversation.SeatAsk{Limit: 5, Runs: 1, Need: 1}, 1, 2) // what it does not want any more is free
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 2, Need: 9}, 4, 0)
	b.ask(conversation.SeatAsk{Limit: 5}, 0, 4)
	// To spare there is half of what nobody holds.
	b.ask(conversation.SeatAsk{Limit: 9, Need: 1, Spare: 100}, 4, 4)
	b.ask(conversation.SeatAsk{Limit: 9, Need: 1, Spare: 2}, 3, 5)
	b.ask(conversation.SeatAsk{Limit: 2, Need: 1, Spare: 2}, 1, 0)
	// Another tenant's are others.
	got, err := e.s.Seat(e.ctx, "a", []conversation.SeatAsk{{Tenant: "other", Limit: 2, Seq: 1, Need: 3}, {Tenant: "acme", Limit: 2, Seq: a.seq + 1, Need: 3}}, lease)
	if err != nil {
		e.Fatal(err)
	}
	e.same("two tenants", got, map[string]conversation.Seated{"other": {Held: 2, Free: 0}, "acme": {Held: 1, Free: 0}})
}

// What is asked again, or carried out late, changes nothing.
func testSeatsRepeated(e *env) {
	a, b := e.seatsOf("a"), e.seatsOf("b")
	a.ask(conversation.SeatAsk{Limit: 5, Need: 2}, 2, 3)
	a.again(conversation.SeatAsk{Limit: 5, Need: 2, Seq: a.seq}, 2, 3)
	a.ask(conversation.SeatAsk{Limit: 5, Need: 4}, 4, 1)
	a.again(conversation.SeatAsk{Limit: 5, Need: 2, Seq: a.seq - 1}, 4, 1)
	b.ask(conversation.SeatAsk{Limit: 5, Need: 5}, 1, 0)
}

// A lowered limit takes no seat in use and gives none out until it is kept.
func testSeatsLowered(e *env) {
	a, b := e.seatsOf("a"), e.seatsOf("b")
	a.ask(conversation.SeatAsk{Limit: 10, Need: 6}, 6, 4)
	b.ask(conversation.SeatAsk{Limit: 10, Need: 4}, 4, 0)
	a.ask(conversation.SeatAsk{Limit: 5, Runs: 5, Need: 8, Spare: 8}, 5, -4)
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 4, Need: 6}, 4, -4)
	a.ask(conversation.SeatAsk{Limit: 5, Runs: 2, Need: 3}, 2, -1)
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 2, Need: 4}, 3, 0)
}

// An owner's seats are its own until its lease has ended and somebody says so; before, it may come back.
func testSeatsEnd(e *env) {
	a, b, c := e.seatsOf("a"), e.seatsOf("b"), e.seatsOf("c")
	a.ask(conversation.SeatAsk{Limit: 5, Need: 3}, 3, 2)
	b.ask(conversation.SeatAsk{Limit: 5, Need: 1}, 1, 1)
	e.h.Advance(lease / 2)
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 1, Need: 5, Reap: true}, 2, 0)
	e.h.Advance(lease/2 + time.Second)
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 2, Need: 5}, 2, 0)
	a.ask(conversation.SeatAsk{Limit: 5, Runs: 3, Need: 3}, 3, 0) // it was only slow
	c.ask(conversation.SeatAsk{Limit: 5, Need: 5, Reap: true}, 0, 0)
	e.h.Advance(lease + time.Second)
	b.ask(conversation.SeatAsk{Limit: 5, Runs: 2, Need: 5, Reap: true}, 5, 0)
	a.ask(conversation.SeatAsk{Limit: 5, Runs: 3, Need: 3}, 0, 0)
	e.h.Advance(25 * time.Hour)
	a.ask(conversation.SeatAsk{Limit: 5, Need: 5}, 5, 0) // nobody is slow for a day
}

// However many ask at once, the limit holds, and is used up.
func testSeatsConcurrently(e *env) {
	const limit, owners = 7, 6
	var sum, most, full atomic.Int64
	var wg sync.WaitGroup
	for i := range owners {
		wg.Go(func() {
			owner, held := fmt.Sprint("owner ", i), 0
			for n := range 60 {
				need := (n*7 + i*3) % 5
				sum.Add(int64(min(need, held) - held)) // what is given back is not in use
				got, err := e.s.Seat(e.ctx, owner, []conversation.SeatAsk{
					{Tenant: "acme", Limit: limit, Seq: int64(n), Runs: min(need, held), Need: need, Spare: n % 2},
				}, lease)
				if err != nil {
					e.Errorf("seat: %v", err)
					return
				}
				if at := sum.Add(int64(got["acme"].Held - min(need, held))); at > most.Load() {
					most.Store(at)
				}
				if held = got["acme"].Held; got["acme"].Free == 0 {
					full.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || full.Load() == 0 {
		e.Errorf("at most %d of %d seats were held, and all of them %d times", most.Load(), limit, full.Load())
	}
}

func testSeatsRefuse(e *env) {
	for _, a := range []conversation.SeatAsk{{Limit: 0, Need: 1}, {Limit: -1}, {Limit: 1, Need: -1}, {Limit: 1, Runs: -1}, {Limit: 1, Spare: -1}} {
		a.Tenant = "acme"
		if _, err := e.s.Seat(e.ctx, "a", []conversation.SeatAsk{{Tenant: "other", Limit: 1, Need: 1}, a}, lease); chat.KindOf(err) != chat.Invalid || err == nil {
			e.Errorf("%+v: %v, want an error of kind invalid", a, err)
		}
	}
	if _, err := e.s.Seat(e.ctx, "a", []conversation.SeatAsk{{Tenant: "other", Limit: 1, Need: 1}}, 0); chat.KindOf(err) != chat.Invalid || err == nil {
		e.Errorf("without a lease: %v, want an error of kind invalid", err)
	}
	got, err := e.s.Seat(e.ctx, "b", []conversation.SeatAsk{{Tenant: "other", Limit: 1, Need: 1}}, lease)
	if err != nil || got["other"].Held != 1 {
		e.Errorf("nothing was given: %+v, %v", got, err)
	}
}

func testLook(e *env) {
	keys := sameShard(3)
	sh := conversation.ShardOf(zhang)
	empty := conversation.Shard{Tenant: "acme", Index: (sh.Index + 1) % conversation.Shards}
	look := func(ready int) conversation.Found {
		e.Helper()
		got, err := e.s.Look(e.ctx, []conversation.Shard{empty, sh})
		if err != nil || len(got) != 2 || got[0] != (conversation.Found{Shard: empty, Since: got[0].Since}) || got[1].Shard != sh || got[1].Ready != ready {
			e.Fatalf("look: %+v, %v, want %d ready in %v", got, err, ready, sh)
		}
		return got[1]
	}
	look(0)
	for _, k := range keys {
		e.put(message(k, "m-"+k.ID), conversation.AcceptOptions{})
		e.h.Advance(time.Second)
	}
	first := look(3).Since
	c := e.claims("a", zhang, 1)[0]
	if d := first.Sub(c.Message.AcceptedAt).Abs(); d > time.Millisecond {
		e.Errorf("the oldest is %v off", d)
	}
	if now := look(2).Since; !now.After(first) {
		e.Errorf("the next oldest is of %v, the oldest of %v", now, first)
	}
	e.commit(c, e.outcome(c, 1))
	e.postpone(c, conversation.Postponement{For: time.Minute})
	look(2) // what is postponed cannot be claimed
	e.h.Advance(2 * time.Minute)
	look(3)
}
