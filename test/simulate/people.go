package simulate

import (
	"context"
	"fmt"
	"time"
)

// post writes a message: delivered once for each of its copies, each until some replica says that it has it.
func (w *world) post(p Post) {
	w.locked(func() { w.ledger.letters[p.M.ID].posted = time.Now() })
	if p.M.Conversation.Channel == "card" {
		_, _, _ = w.store.ReadLive(context.Background(), p.M.Conversation) // somebody reads
	}
	w.all.Go(func() { w.deliver(p, 0) })
	for i, d := range p.More {
		w.all.Go(func() {
			time.Sleep(d)
			w.deliver(p, i+1)
		})
	}
}

// tries is how often a platform delivers what is not acknowledged.
const tries = 3

func (w *world) deliver(p Post, copy int) {
	for try := range tries {
		d := w.cup.dice("deliver", p.M.ID, fmt.Sprint(copy, "/", try))
		time.Sleep(d.between(time.Millisecond, 20*time.Millisecond))
		if pr := w.replica(d); pr != nil && w.hand(pr, p, fmt.Sprint(copy, ".", try)) {
			w.locked(func() {
				if le := w.ledger.letters[p.M.ID]; le.acked.IsZero() {
					le.acked = time.Now()
					w.note(name(p.M.Conversation), "%s acknowledged by %s", p.M.ID, pr.name)
				}
			})
			return
		}
		time.Sleep(d.between(time.Second, 5*time.Second))
	}
}

// replica is one that a balancer would choose: it listens.
func (w *world) replica(d *dice) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := d.below(processes)
	for i := range processes {
		p := w.slots[(first+i)%processes]
		if p == nil {
			continue
		}
		p.mu.Lock()
		up := !p.dead && !p.stopping
		p.mu.Unlock()
		if up {
			return p
		}
	}
	return nil
}

// copyKey is where a callback's context says which delivery of its message it is.
type copyKey struct{}

// hand delivers a message to a process and reports whether it was acknowledged within the platform's deadline.
func (w *world) hand(pr *process, p Post, copy string) bool {
	acked := make(chan bool, 1)
	w.all.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), copyKey{}, " "+copy), 5*time.Second)
		defer cancel()
		err := pr.svc.Accept(ctx, p.M)
		if err != nil {
			w.note(name(p.M.Conversation), "%s not accepted by %s: %v", p.M.ID, pr.name, err)
		}
		acked <- err == nil && pr.pass("ack "+p.M.ID+copy) == nil
	})
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case ok := <-acked:
		return ok
	case <-t.C:
		return false
	}
}
