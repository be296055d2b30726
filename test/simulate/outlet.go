package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

// resendFor is how long the platforms that swallow repetitions are relied on to do so; they do it longer.
const resendFor = 25 * time.Second

// pace is as fast as all platforms take parts; the ledger counts.
var pace = chat.Pace{Burst: 4, Every: 2 * time.Second}

// partSize cuts replies into a few parts.
const partSize = 40

// piece is a part as it is sent.
type piece struct {
	Message string `json:"m"`
	Unique  int64  `json:"u"`
	No      int    `json:"n"`
	Text    string `json:"t"`
}

// outlet is one channel as one process reaches it.
type outlet struct {
	p       *process
	channel string
}

func (o *outlet) Parts(m chat.Message, text string, unique int64) ([]chat.Part, error) {
	var out []chat.Part
	for no := 0; len(text) > 0; no++ {
		n := min(partSize, len(text))
		b, err := json.Marshal(piece{m.ID, unique, no, text[:n]})
		if err != nil {
			return nil, err
		}
		out, text = append(out, b), text[n:]
	}
	return out, nil
}

func (o *outlet) Resendable(age time.Duration) bool { return o.channel != "hook" && age < resendFor }

// Pace implements conversation.Outlet.
func (o *outlet) Pace() chat.Pace { return pace }

func (o *outlet) Live() time.Duration {
	if o.channel == "card" {
		return 400 * time.Millisecond
	}
	return 0
}

// Send is a step like the store's, and the platform may refuse for a while or for good, or take a part without saying so.
func (o *outlet) Send(ctx context.Context, m chat.Message, part chat.Part) error {
	w := o.p.w
	var pc piece
	if err := json.Unmarshal(part, &pc); err != nil {
		return chat.E(chat.Invalid, "simulate.send", err)
	}
	id := fmt.Sprint(m.ID, "/", pc.No)
	d := w.cup.dice("send", o.p.name, id)
	kind := func(share float64) bool { return d.chance(share*w.plan.Rate) && w.plan.Kinds[Send] && w.storming() }
	fa := w.fate(o.p, act{op: "send", key: id})
	refused, never, lost, slow := kind(.05), kind(.005), kind(.05), kind(.03)
	took := d.between(2*time.Millisecond, 80*time.Millisecond)
	if slow {
		took = d.between(time.Second, 12*time.Second)
	}
	if err := o.p.pass("send " + id); err != nil {
		return err
	}
	if fa.killBefore && w.may(Kill) {
		o.p.kill("before send "+id, fa.again)
	}
	if fa.freezeBefore && w.may(Freeze) {
		o.p.freeze("before send "+id, fa.standing)
	}
	if err := o.p.pass("send " + id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	w.ledger.sends(m)
	switch {
	case w.blocks(o.channel, o.p.name):
		w.ledger.failed(m.ID, pc.No)
		_ = sleep(ctx, took)
		return o.answer(id, chat.E(chat.Forbidden, "simulate.send", errors.New("from this address not")))
	case refused:
		w.ledger.failed(m.ID, pc.No)
		_ = sleep(ctx, took)
		e := chat.E(oneOf(d, chat.RateLimited, chat.Unavailable, chat.Unauthenticated), "simulate.send", errors.New("not now"))
		e.RetryAfter = oneOf(d, 0, d.between(0, 5*time.Second))
		return o.answer(id, e)
	case never:
		w.ledger.refused(m.ID, pc.No)
		_ = sleep(ctx, took)
		return o.answer(id, chat.E(chat.Invalid, "simulate.send", errors.New("not this")))
	}
	show := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ledger.shown(m, o.channel, part, pc, o.p.name)
	}
	began := time.Now()
	if err := sleep(ctx, took); err != nil {
		w.ledger.maybe(m.ID, pc.No)
		if d.chance(.5) {
			w.all.Go(func() { time.Sleep(took - time.Since(began)); show() })
		}
		return o.answer(id, lostSend(err))
	}
	if o.p.isDead() {
		return o.p.pass("send " + id)
	}
	if lost && d.chance(.5) {
		w.ledger.maybe(m.ID, pc.No)
		return o.answer(id, lostSend(errors.New("cut before it was taken")))
	}
	show()
	if fa.killAfter && w.may(Kill) {
		o.p.kill("after send "+id, fa.again)
	}
	if fa.freezeAfter && w.may(Freeze) {
		o.p.freeze("after send "+id, fa.standing)
	}
	if lost {
		w.ledger.maybe(m.ID, pc.No)
		return o.answer(id, lostSend(errors.New("cut before the answer")))
	}
	return o.answer(id, nil)
}

// answer is what the process learns, when it goes on.
func (o *outlet) answer(id string, err error) error {
	if gone := o.p.pass("send " + id); gone != nil {
		return gone
	}
	return err
}

func lostSend(err error) error {
	e := chat.E(chat.Unavailable, "simulate.send", err)
	e.Maybe = true
	return e
}
