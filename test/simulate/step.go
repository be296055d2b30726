package simulate

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
)

// act is one step of a process outside itself: a request that travels, takes effect, and an answer that travels back.
type act struct {
	op, key string
	idle    bool // it found nothing to do: what happens often and matters little goes wrong more rarely
}

// fate is what goes wrong with a step.
type fate struct {
	d                             *dice
	killBefore, killAfter         bool
	freezeBefore, freezeAfter     bool
	refuse, lose                  bool // it fails before, or after it took effect
	travel, back, standing, again time.Duration
}

// fate draws what goes wrong. All draws are made each time, so that one kind less changes nothing in the others.
func (w *world) fate(p *process, a act) fate {
	d := w.cup.dice(p.name, a.op, a.key)
	rate := w.plan.Rate
	if a.idle || !w.storming() {
		rate *= .1
	}
	kind := func(k Kind, share float64) bool {
		hit := d.chance(share * rate)
		return hit && w.plan.Kinds[k] && w.storming()
	}
	f := fate{d: d, travel: d.between(100*time.Microsecond, 2*time.Millisecond)}
	f.killBefore, f.killAfter = kind(Kill, .01), kind(Kill, .015)
	f.freezeBefore, f.freezeAfter = kind(Freeze, .01), kind(Freeze, .015)
	f.refuse, f.lose = kind(Fail, .02), kind(Fail, .03)
	f.standing, f.again = d.between(500*time.Millisecond, 15*time.Second), d.between(100*time.Millisecond, 8*time.Second)
	slow, late, far := kind(Slow, .03), kind(Slow, .02), d.between(100*time.Millisecond, 3*time.Second)
	if slow {
		f.travel = far
	}
	if late {
		f.back = far
	}
	return f
}

// step carries out f under the world's lock, with what fate does to it. f must not block.
func step[T any](ctx context.Context, p *process, a act, f func(a *act) (T, error)) (v T, err error) {
	w := p.w
	var none T
	if err := p.pass(a.op + " " + a.key); err != nil {
		return none, err
	}
	fa := w.fate(p, a)
	if fa.killBefore && w.may(Kill) {
		p.kill("before "+a.op+" "+a.key, fa.again)
	}
	if fa.freezeBefore && w.may(Freeze) {
		p.freeze("before "+a.op+" "+a.key, fa.standing)
	}
	if err := p.pass(a.op + " " + a.key); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if w.cutOff(p) {
		<-ctx.Done()
		return none, gaveUp(ctx, a)
	}
	if fa.refuse {
		w.note(p.name, "%s %s: refused", a.op, a.key)
		_ = sleep(ctx, fa.travel)
		return none, chat.E(chat.Unavailable, "simulate."+a.op, errors.New("refused"))
	}
	began := time.Now()
	effect := func(a *act) (T, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return f(a)
	}
	if sleep(ctx, fa.travel) != nil {
		if fa.d.chance(.5) { // it arrives all the same
			a := a // the caller goes on
			w.all.Go(func() {
				time.Sleep(fa.travel - time.Since(began))
				if !p.isDead() {
					_, err := effect(&a)
					if a.idle && err == nil {
						return
					}
					w.note(p.name, "%s %s: carried out after its caller gave up: %v", a.op, a.key, err)
				}
			})
		}
		return none, gaveUp(ctx, a)
	}
	if p.isDead() {
		return none, p.pass(a.op + " " + a.key)
	}
	v, err = effect(&a)
	if !a.idle {
		if fa.killAfter && w.may(Kill) {
			p.kill("after "+a.op+" "+a.key, fa.again)
		}
		if fa.freezeAfter && w.may(Freeze) {
			p.freeze("after "+a.op+" "+a.key, fa.standing)
		}
		if fa.lose {
			w.note(p.name, "%s %s: done, and the answer lost", a.op, a.key)
			return none, chat.E(chat.Unavailable, "simulate."+a.op, errors.New("the answer was lost"))
		}
		if fa.back > 0 && sleep(ctx, fa.back) != nil {
			w.note(p.name, "%s %s: done, and the answer came too late", a.op, a.key)
			return none, gaveUp(ctx, a)
		}
	}
	if err := p.pass(a.op + " " + a.key); err != nil {
		return none, err
	}
	return v, err
}

func gaveUp(ctx context.Context, a act) error {
	return chat.E(chat.KindOf(ctx.Err()), "simulate."+a.op, ctx.Err())
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
