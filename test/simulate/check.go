package simulate

import (
	"slices"
	"strings"
	"time"

	"parley/internal/conversation"
)

// check judges the end: all processes are down, and time has passed.
func (w *world) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	dead := 0
	for _, post := range w.plan.Posts {
		w.ledger.check(w.ledger.letters[post.M.ID], &dead)
	}
	for _, t := range w.ledger.talks {
		w.ledger.checkOrder(t)
	}
	got := 0
	for tenant := range w.tenants {
		st, err := w.store.Stats(probe(), tenant)
		if err != nil || st.Waiting+st.Running+st.Ready > 0 {
			w.fault("%s at the end: %+v, %v", tenant, st, err)
		}
		got += st.Dead
		w.checkMoney(tenant)
	}
	if got != dead {
		w.fault("%d dead letters are kept, want %d", got, dead)
	}
}

// check judges one message.
func (l *ledger) check(le *letter, dead *int) {
	w := l.w
	switch {
	case le.into != nil: // which is judged for both
		return
	case !le.accepted && !le.acked.IsZero():
		w.fault("%s was acknowledged and never stored", le.m.ID)
	case !le.accepted:
	case !le.done:
		w.fault("%s (%d) is not dealt with: %d claims, committed %v", le.m.ID, le.seq, le.claims, le.committed)
	case le.dead != "" && !le.forgot:
		*dead++
	}
	for no, s := range le.parts {
		if s.shown == 0 && !s.skipped && le.done {
			w.fault("%s: part %d was never shown", le.m.ID, no)
		}
	}
}

// checkOrder judges that what was written after an acknowledgement comes after what was acknowledged.
func (l *ledger) checkOrder(t *talk) {
	for _, a := range t.letters {
		for _, b := range t.letters {
			if !a.acked.IsZero() && a.acked.Before(b.posted) && a.seq > b.seq {
				l.w.fault("%s was acknowledged before %s was written, and comes after it", a.m.ID, b.m.ID)
			}
		}
	}
}

// checkMoney judges usage and budgets: each call is counted once, with what it cost, and nothing is reserved any more.
func (w *world) checkMoney(tenant string) {
	counted, sum := map[string]conversation.ItemUsage{}, 0
	today := conversation.DayOf(time.Now())
	for _, day := range []conversation.Day{today - 1, today} {
		u, err := w.store.Usage(probe(), tenant, day)
		if err != nil {
			w.fault("usage of %s: %v", tenant, err)
		}
		for _, i := range u.Items {
			_, id, _ := strings.Cut(i.Model, "~")
			if _, twice := counted[id]; twice || i.Calls != 1 {
				w.fault("call %s is counted twice: %+v", id, i)
			}
			counted[id] = i
			sum += i.Sum()
		}
	}
	whole := true // every process could tell the store what it had spent
	for _, p := range w.procs {
		p.mu.Lock()
		whole = whole && !p.dead && !p.untold
		p.mu.Unlock()
	}
	for _, id := range sortedKeys(w.ledger.calls) {
		w.checkCall(id, w.ledger.calls[id], counted[id], tenant)
	}
	limits := w.tenants[tenant].Limits
	if limits.TokensPerDay == 0 {
		return
	}
	b, err := w.store.Budget(probe(), tenant, "", today)
	if err != nil || whole && !w.plan.Kinds[Night] && b.Spent != sum {
		w.fault("%s's budget knows of %d tokens, its usage of %d (%v)", tenant, b.Spent, sum, err)
	}
	if !whole {
		time.Sleep(2 * turnFor)
	}
	g, err := w.store.Reserve(probe(), conversation.Reservation{
		Tenant: tenant, User: "probe", Turn: "probe", Fence: 1, Tokens: 1 << 40, For: time.Second, PerDay: 1 << 40, UserCap: 1 << 40,
	})
	if err != nil || g.Grant != conversation.GrantOK {
		w.fault("%s has tokens reserved at the end: %+v, %v", tenant, g, err)
	}
}

// checkCall judges what was counted for one call.
func (w *world) checkCall(id string, c *call, got conversation.ItemUsage, tenant string) {
	le := w.ledger.letters[id[:strings.Index(id, ".")]]
	if le.m.Conversation.Tenant != tenant {
		return
	}
	var cost conversation.Tokens
	for _, t := range conversation.Itemize(c.told) {
		cost = cost.Plus(t)
	}
	answered := w.ledger.answer(le.text) == c
	switch {
	case got.Estimated && (answered || len(c.told) > 0):
		w.fault("call %s is estimated and told its cost: %+v", id, got)
	case got.Calls > 0 && !got.Estimated && got.Tokens != cost:
		w.fault("call %s cost %+v, counted is %+v", id, cost, got)
	case got.Calls == 0 && answered && le.committed:
		w.fault("call %s was answered and is not counted", id)
	case got.Calls == 0 && c.toldTo != nil && !c.toldTo.lossy():
		w.fault("call %s told %s its cost, and it is not counted", id, c.toldTo.name)
	}
}

// lossy reports whether a process may have kept a cost for itself.
func (p *process) lossy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead || p.untold
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
