package simulate

import (
	"slices"
	"time"

	"parley/internal/conversation"
)

// What must be done in time is judged where nothing but deaths and standing still can hold it up.

// reliable reports whether the store always answers in this world.
func (w *world) reliable() bool {
	return !w.plan.Kinds[Outage] && !w.plan.Kinds[Fail] && !w.plan.Kinds[Slow]
}

// checkTakeover judges that no living owner loses its conversation, and how long a dead one's waited, if somebody was there to take it all the time.
func (l *ledger) checkTakeover(t *talk, le *letter) {
	w := l.w
	if !w.reliable() || w.plan.Kinds[Freeze] || w.plan.Kinds[Room] || w.plan.Kinds[Shed] {
		return
	}
	was := slices.IndexFunc(w.procs, func(p *process) bool { return p.name == t.owner })
	if was < 0 || t.taken.IsZero() {
		return
	}
	died := w.procs[was].diedAt()
	if died.IsZero() && t.open {
		w.fault("%s was taken from %s, which lives", le.m.ID, t.owner)
	}
	if died.IsZero() || le.at.After(died) {
		return
	}
	there := slices.ContainsFunc(w.procs, func(p *process) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.born.Before(died) && !p.dead && !p.stopping
	})
	if late := time.Since(died); there && late > lease+2*time.Second {
		w.fault("%s was taken over %v after its owner's death", le.m.ID, late)
	}
}

func (p *process) diedAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

// ended judges the end of a call: a process that lost its conversation, or whose person stopped it, gives up soon.
func (l *ledger) ended(c *call, id string, p *process) {
	c.ended = true
	w, le := l.w, l.letters[id]
	if !w.reliable() || p.isDead() {
		return
	}
	t := l.talk(le.m.Conversation)
	p.mu.Lock()
	since := p.went
	p.mu.Unlock()
	const soon = 3 * time.Second // a renewal tells within a second, and a call may end just then
	if lost := t.taken; t.fence != c.fence && c.fence != 0 {
		if lost.Before(since) {
			lost = since
		}
		if c.began.After(lost) {
			lost = c.began
		}
		if over := time.Since(lost); over > soon {
			w.fault("call %s went on for %v after its conversation was another's", c.id, over)
		}
	}
	for _, other := range t.letters {
		if !other.stops() || other.seq < le.seq || other.at.Before(c.began) || c.text == "" {
			continue
		}
		if over := min(time.Since(other.at), time.Since(since)); over > soon && !c.canceled {
			w.fault("call %s went on for %v after %s stopped it", c.id, over, other.m.ID)
		}
	}
}

// holds reports whether a claim is still good.
func (l *ledger) holds(c conversation.Claim) bool {
	held, err := l.w.store.Owned(probe(), c.Shard, c.Owner)
	return err == nil && slices.Contains(held, conversation.Held{Shard: c.Shard, Handle: c.Handle, Fence: c.Fence})
}

// released follows which claims count as attempts. It is called right before the effect.
func (l *ledger) released(c conversation.Claim) {
	if !l.holds(c) {
		return
	}
	for key, t := range l.talks {
		if t.fence != c.Fence || t.owner != c.Owner || conversation.ShardOf(t.key) != c.Shard {
			continue
		}
		t.open = false
		l.w.note(key, "released by %s, fence %d", c.Owner, c.Fence)
		for _, le := range t.letters {
			if !le.done {
				if !le.committed {
					le.attempts--
				}
				break
			}
		}
	}
}

// checkGone judges what a process leaves behind that was shut down: nothing that others must wait for.
func (l *ledger) checkGone(p *process) {
	for tenant := range l.w.tenants {
		for i := range conversation.Shards {
			held, err := l.w.store.Owned(probe(), conversation.Shard{Tenant: tenant, Index: i}, p.name)
			if err != nil || len(held) > 0 {
				l.w.fault("%s is down and holds %v (%v)", p.name, held, err)
			}
		}
	}
}
