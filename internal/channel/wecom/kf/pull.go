package kf

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	watchEvery = time.Second
	// pollEvery is how often an account of which no callback came is asked all the same: all tries of its callbacks may have failed.
	pollEvery  = 10 * time.Minute
	maxBackoff = 30 * time.Second
	// pullLock keeps replicas from fetching the same page at once, and a dead one from stopping the others for long. It is a courtesy. Two that
	// fetch at once do no harm: each accepts, in the platform's order, all from the cursor kept on, so whatever it accepts first was accepted
	// after all before it; and what the other has accepted it finds accepted.
	pullLock   = 8 * time.Second
	lockAgain  = 100 * time.Millisecond
	pageWithin = 30 * time.Second
)

// Run implements channel.Runner. Whoever hears a callback fetches at once. One replica watches all marks besides, so that nothing depends on
// the one that heard it.
func (k *KF) Run(ctx context.Context) {
	p := &puller{KF: k, again: map[string]bool{}, failed: map[string]*failure{}}
	p.wg.Go(func() { k.lead.Lead(ctx, k.key(), p.watch) })
	for {
		select {
		case <-ctx.Done():
			p.wg.Wait()
			return
		case account := <-k.rung:
			p.start(ctx, account)
		}
	}
}

// puller is what one Run has under way.
type puller struct {
	*KF
	wg     sync.WaitGroup
	mu     sync.Mutex
	again  map[string]bool // accounts being fetched; true: it rang since
	failed map[string]*failure
}

// failure is an account that could not be fetched.
type failure struct {
	tries int
	next  time.Time
}

// start fetches an account, unless that is under way: then once more.
func (p *puller) start(ctx context.Context, account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, under := p.again[account]; under {
		p.again[account] = true
		return
	}
	p.again[account] = false
	p.wg.Go(func() {
		for more := true; more; {
			err := p.fetch(ctx, account)
			more = p.ended(ctx, account, err)
		}
	})
}

// ended notes how fetching an account went and says whether it is to be fetched again at once.
func (p *puller) ended(ctx context.Context, account string, err error) (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		delete(p.failed, account)
		if again = p.again[account] && ctx.Err() == nil; again {
			p.again[account] = false
		} else {
			delete(p.again, account)
		}
		return again
	}
	delete(p.again, account)
	p.metrics.failures.Inc()
	f := p.failed[account]
	if f == nil {
		f = &failure{}
		p.failed[account] = f
	}
	pause := min(time.Second<<min(f.tries, 10), maxBackoff)
	if e, ok := errors.AsType[*chat.Error](err); ok {
		pause = max(pause, e.RetryAfter)
	}
	f.next = p.now().Add(pause)
	f.tries++
	if f.tries&(f.tries-1) == 0 { // the first, second, fourth, …: an operator sees it, and the log does not fill
		level := slog.LevelWarn
		if !chat.KindOf(err).Retryable() {
			level = slog.LevelError
		}
		p.log.Log(ctx, level, "fetching customers' messages failed, it is tried again", "open_kfid", account, "tries", f.tries, "pause", pause.String(), "err", err)
	}
	return false
}

// due says whether an account that failed may be tried again.
func (p *puller) due(account string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failed[account]
	return f == nil || !p.now().Before(f.next)
}

// watch looks after all accounts until ctx ends: it fetches what is marked, tries again what failed, and asks now and then also unasked.
func (p *puller) watch(ctx context.Context) {
	var list []string
	polled := map[string]time.Time{}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		list = p.look(ctx, list, polled)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look is one look at all accounts. What the store does not answer now it answers at the next look.
func (p *puller) look(ctx context.Context, list []string, polled map[string]time.Time) []string {
	list, _ = p.accounts(ctx, list)
	all := slices.Concat(p.served, list)
	slices.Sort(all)
	for _, account := range slices.Compact(all) {
		if ctx.Err() != nil || !p.serves(account) || !p.due(account) {
			continue
		}
		_, pending, err := p.pending(ctx, account)
		if err != nil {
			return list
		}
		if !pending && p.now().Sub(polled[account]) >= pollEvery {
			polled[account] = p.now()
			pending = p.poll(ctx, account)
		}
		if pending {
			p.start(ctx, account)
		}
	}
	return list
}

// poll marks an account of which no callback came, if it is one that was fetched before or that the document names.
func (k *KF) poll(ctx context.Context, account string) (marked bool) {
	var at stream
	known, err := k.recall(ctx, "cursor", account, &at)
	if err != nil || !known && !slices.Contains(k.served, account) {
		return false
	}
	return k.ring(ctx, account, "", k.now()) == nil
}

// fetch accepts all that is marked of an account. It waits for another replica that does.
func (k *KF) fetch(ctx context.Context, account string) error {
	for ctx.Err() == nil {
		unlock, ok, err := k.locks.TryLock(ctx, k.key("pull", account), pullLock)
		if err != nil {
			return err
		}
		var pending bool
		if ok {
			pending, err = k.page(ctx, account)
			unlock()
		} else {
			_, pending, err = k.pending(ctx, account)
		}
		if err != nil || !pending {
			return err
		}
		if !ok {
			select {
			case <-ctx.Done():
			case <-time.After(lockAgain):
			}
		}
	}
	return nil
}
