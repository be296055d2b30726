package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// plan is one run. Equal seeds plan equal strikes; what the processes make of them differs.
type plan struct {
	seed    uint64
	length  time.Duration // while people talk and parts are struck
	rate    float64       // messages a second
	manners manners
	only    func(lane string) bool
	settle  time.Duration // after it everybody must have their replies
	plant   string        // a planted fault
	rolling bool          // nothing is struck: all are restarted in turn, in good order
	// forgiven are how many tries of a rolling restart may have failed with no part away, where others use the machine, too
	forgiven int
	old      string // a revision whose binary runs beside this one's; empty: none
	// within is how long nothing more may come after the last reply; 0: quiet
	within time.Duration
	// takeover bounds the p99 of undisturbed takeovers, where there were enough to tell; 0: no bound
	takeover time.Duration
	keep     bool
	nacos    string // of others; empty: one of this program's own
}

// quiet is how long nothing more may come after the last reply: longer than a lease and a redelivery, which would bring second ones.
const quiet = 8 * time.Second

// enough takeovers make a p99 worth judging.
const enough = 20

func (p plan) run(ctx context.Context, log io.Writer) (res *result, err error) {
	o := rig.Options{Keep: p.keep, Log: log, Nacos: p.nacos}
	env, pace := []string{}, chaosPace
	if p.plant != "" {
		o.Tags, env = "planted", append(env, "PARLEY_PLANT="+p.plant)
	}
	if p.rolling {
		env, pace = append(env, rollEnv()...), rollPace
	}
	var both *binaries
	if p.old != "" {
		p.manners.chatty = 0 // an earlier release may know no pace
		if both, err = buildBoth(ctx, p.old); err != nil {
			return nil, err
		}
		defer both.remove()
		o.Binary = both.old
	}
	r, err := rig.New(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if (err != nil || !res.ok()) && p.plant == "" {
			r.Keep()
		}
		r.Close()
	}()
	r.Logf("seed %d: -seed %d repeats this plan", p.seed, p.seed)
	s, err := raise(ctx, r, pace, env)
	defer s.close()
	if err != nil {
		return nil, err
	}
	return p.play(ctx, s, both)
}

func (p plan) play(ctx context.Context, s *stage, both *binaries) (*result, error) {
	res := &result{Seed: p.seed, Plant: p.plant, forgiven: p.forgiven}
	before := measure(ctx, s.nodes())
	all := newPeople()
	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go follow(watching, s.wecom, all)

	began := time.Now()
	st := &strikes{log: s.rig.Logf}
	until, over := context.WithTimeout(ctx, p.length)
	defer over()
	struck := make(chan error, 1)
	go func() { struck <- p.trouble(ctx, until, st, s, both) }()
	if err := all.talk(ctx, s.wecom, s.companies, p.length, p.rate, p.seed, p.manners); err != nil {
		return nil, fmt.Errorf("people cannot talk: %w", err)
	}
	wrong := <-struck
	s.rig.Logf("all is whole again")
	settling, cancel := context.WithTimeout(ctx, p.settle)
	all.settle(settling, cmp.Or(p.within, quiet))
	cancel()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted or out of time: %w", ctx.Err())
	}
	end := time.Now()
	res.Took, res.events = end.Sub(began).Seconds(), st.events
	res.Struck = tally(st.events)
	return res, p.finish(ctx, s, all, res, before, wrong, end)
}

// trouble is all that befalls the stage until the time is over.
func (p plan) trouble(ctx, until context.Context, st *strikes, s *stage, both *binaries) error {
	switch {
	case p.rolling:
		return st.roll(ctx, until, s.rounds())
	case both != nil:
		return both.strike(ctx, until, p, st, s)
	}
	return st.run(ctx, until, p.seed, s.lanes(p.only))
}

// finish reads all ledgers and judges.
func (p plan) finish(ctx context.Context, s *stage, all *people, res *result, before map[string]rest, wrong error, end time.Time) error {
	after := atRest(ctx, s.nodes(), before)
	stats, err := s.wecom.Stats(ctx)
	if err != nil {
		return err
	}
	var calls []llm.Entry
	for _, m := range s.models {
		m.learn()
		calls = append(calls, m.calls...)
	}
	slices.SortStableFunc(calls, func(a, b llm.Entry) int { return a.At.Compare(b.At) })
	for _, n := range s.nodes() {
		if err := n.term(); err != nil {
			res.Account.fault("disorder", "%v", err)
		}
	}
	why := reasons{}
	logs := map[string]string{}
	for _, n := range s.nodes() {
		logs[n.name] = readLog(n.now().Log)
		why.learn(logs[n.name])
	}
	talked := all.all()
	disorder := res.Account.Faults
	res.Account = judge(talked, why, func(person string) string { return person[:4] }, end)
	res.Account.Faults = append(res.Account.Faults, disorder...)
	res.Account.platform(stats)
	for _, n := range s.nodes() {
		res.Account.log(n.name, logs[n.name])
		if n.died > 0 {
			res.Account.fault("start", "%s ended %d times before it was ready", n.name, n.died)
		}
	}
	if wrong != nil {
		res.Account.fault("disorder", "%v", wrong)
	}
	if p.rolling {
		res.rolling(talked, logs)
	}
	if p.old != "" {
		res.mixed(s.nodes())
	}
	res.rested(before, after)
	res.Platform, res.Computed, res.Acks = stats, len(calls), acks(talked)
	res.Takeover, res.Undisturbed = takeovers(res.events, calls)
	if u := res.Undisturbed; p.takeover > 0 && u.N >= enough && u.P99 > p.takeover {
		res.Account.fault("takeover", "turns of killed clients ran elsewhere after %s", u)
	}
	return nil
}

// follow hands on what the platform shows until ctx ends.
func follow(ctx context.Context, w *rig.WeCom, all *people) {
	for from := 0; ctx.Err() == nil; {
		list, err := w.Shown(ctx, from)
		if err != nil {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		for _, s := range list {
			all.see(s)
		}
		from += len(list)
	}
}
