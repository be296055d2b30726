package main

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// flight is very many turns at once: callbacks leave when they are due, at a rate, and each is answered after a time between Least and Most, so
// that the last is posted before the first is answered, and answers do not come all at once.
type flight struct {
	crew
	Turns    int           `json:"turns"`
	Rate     int           `json:"rate"`
	Least    time.Duration `json:"answer_least_ns"`
	Most     time.Duration `json:"answer_most_ns"`
	Chars    int           `json:"characters_of_an_answer"`
	History  int           `json:"turns_before"`
	profiles profiles
}

type flightResult struct {
	flight
	AtOnce  int           `json:"most_at_once"` // as the model counted them
	Posting time.Duration `json:"posting_ns"`
	Late    crowd.Latency `json:"load_left_late"`
	Ack     crowd.Latency `json:"ack"`
	// After is how much later than the model's last word a reply was shown.
	After   crowd.Latency      `json:"shown_after_the_model"`
	Asked   ledgerCounts       `json:"ledger"`
	Memory  map[string]memory  `json:"memory"`
	CPU     map[string]float64 `json:"cpu_us_per_message"`
	Trouble map[string]float64 `json:"trouble"`
	Ledger  string             `json:"ledger_text"`
}

// ledgerCounts are the ledger's figures.
type ledgerCounts struct {
	Answered    int `json:"answered_once"`
	Lost        int `json:"lost"`
	Doubled     int `json:"doubled"`
	Misdirected int `json:"misdirected"`
	Unacked     int `json:"not_acknowledged"`
	Faults      int `json:"faults"`
}

func (c *ledgerCounts) add(o ledgerCounts) {
	c.Answered, c.Lost, c.Doubled = c.Answered+o.Answered, c.Lost+o.Lost, c.Doubled+o.Doubled
	c.Misdirected, c.Unacked, c.Faults = c.Misdirected+o.Misdirected, c.Unacked+o.Unacked, c.Faults+o.Faults
}

func counts(r ledger.Report) ledgerCounts {
	return ledgerCounts{Answered: r.Answered, Lost: r.Count(ledger.Lost), Doubled: r.Count(ledger.Doubled),
		Misdirected: r.Count(ledger.Misdirected), Unacked: r.Count(ledger.Unacknowledged), Faults: len(r.Faults)}
}

const (
	slicesOfAnswer = 8
	// The model is silent for up to Most / slicesOfAnswer, most of what Parley waits by itself; a moment in which all these processes lack two cores
	// is not to look like a model that died.
	flightDeadlines = "first_token: 60s, idle: 60s"
)

// slowly is the pace of answers that take between least and most.
func slowly(least, most time.Duration) llm.Pace {
	each := least / slicesOfAnswer
	return llm.Pace{First: each, Between: each, Chunks: slicesOfAnswer, Spread: most - least}
}

// quiet is how long nothing more may be shown in the end: beyond a lease, which would bring second answers.
const quiet = 8 * time.Second

func (b flight) run(ctx context.Context, g *rig.Rig) (*flightResult, error) {
	a, err := b.begin(ctx, g)
	if err != nil {
		return nil, err
	}
	if err := a.model.SetPace(ctx, slowly(b.Least, b.Most)); err != nil {
		return nil, err
	}
	g.Logf("flight: %d turns at %d a second, answered after %s to %s; %d clients, %d servers", b.Turns, b.Rate, b.Least, b.Most, b.Clients, b.Servers)
	w := watch(ctx, a.stage)
	posting := time.Duration(b.Turns) * time.Second / time.Duration(b.Rate)
	profiled := b.profiles.during(ctx, a.stage, "flight-posting", posting)
	before, began := a.usage(), time.Now()
	a.post(ctx, 0, b.Turns, b.Rate)
	posted := time.Since(began)
	if err := profiled(); err != nil {
		return nil, err
	}
	profiled = b.profiles.during(ctx, a.stage, "flight-answering", b.Most)
	settle, cancel := context.WithTimeout(ctx, b.Most+2*time.Minute)
	a.people.Settle(settle, 0)
	after := a.usage()
	a.people.Settle(settle, quiet)
	cancel()
	seen := w.stop()
	if err := profiled(); err != nil || ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	list, r := a.people.Messages(), a.people.Check(a.company.Window)
	res := &flightResult{flight: b, AtOnce: seen.most, Posting: posted, Late: crowd.Lates(list), Ack: crowd.Acks(list), Asked: counts(r),
		Memory: seen.memory(b.Turns), CPU: perMessage(before, after, b.Turns), Trouble: a.trouble(ctx), Ledger: r.String()}
	if res.After, err = a.afterModel(ctx, list); err != nil {
		return nil, err
	}
	return res, nil
}

// aloft is a stage with people who ask once each.
type aloft struct {
	*stage
	people *crowd.Crowd
	before int // turns
}

// begin starts everything, and lets it work a little.
func (b flight) begin(ctx context.Context, g *rig.Rig) (*aloft, error) {
	warm, people := crowd.New(), crowd.New()
	shown := newFork(warm)
	c := b.crew
	c.client = fmt.Sprintf("limits: {turns: %d, waiting: %d}\n", 2*b.Turns/b.Clients+1000, 3*b.Turns)
	c.server = fmt.Sprintf("limits: {streams: %d}\n", 2*b.Turns/b.Servers+1000)
	p := past{turns: b.History, chars: b.Chars}
	for i := range b.Turns {
		if b.History > 0 {
			p.names = append(p.names, flyer(i))
		}
	}
	model := rig.ModelOptions{Pace: llm.Pace{First: 10 * time.Millisecond, Chunks: slicesOfAnswer}, Chars: b.Chars, Deadlines: flightDeadlines}
	s, err := newStageOf(ctx, g, shown.show, model, c, func(c rig.Company) error { return p.before(ctx, g, c, people) })
	if err != nil {
		return nil, err
	}
	s.warm(ctx, warm, 50)
	shown.to(people)
	return &aloft{s, people, b.History}, s.model.Forget(ctx)
}

func flyer(i int) string { return fmt.Sprintf("f%06d", i+1) }

// post has n people, from a number on, ask at a rate, each when it is due and however slow the answers are, and waits for all acknowledgements.
func (a *aloft) post(ctx context.Context, from, n, rate int) {
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			a.people.Ask(ctx, a.company.Sim, a.company.App.Ref, ledger.ID{Person: flyer(from + i), N: a.before + 1}, due)
		})
	}
	wg.Wait()
}

// afterModel compares when replies were shown with when the model had said its last word.
func (a *aloft) afterModel(ctx context.Context, list []crowd.Message) (crowd.Latency, error) {
	entries, err := a.model.Ledger(ctx)
	if err != nil {
		return crowd.Latency{}, err
	}
	ended := make(map[string]time.Time, len(entries))
	for _, e := range entries {
		ended[e.Last] = e.EndedAt
	}
	var after []time.Duration
	for _, m := range list {
		if end, ok := ended[ledger.Question(m.ID)]; ok && !m.Answered.IsZero() {
			after = append(after, m.Answered.Sub(end))
		}
	}
	return crowd.Summarize(after), nil
}

// trouble is what the client services and servers counted that should not happen; what is 0 is left out.
func (a *aloft) trouble(ctx context.Context) map[string]float64 {
	all := map[string]float64{}
	for _, n := range a.nodes() {
		m, err := n.Metrics(ctx)
		if err != nil {
			all["no metrics of "+n.Name] = 1
			continue
		}
		for _, name := range []string{
			"parley_store_errors_total", "parley_leases_lost_total", "parley_fenced_total", "parley_reaped_total", "parley_place_waits_total",
			"parley_send_errors_total", "parley_postponements_total", "parley_llm_retries_total", "parley_llm_fallbacks_total",
		} {
			if v := m.Sum(name); v != 0 {
				all[name] += v
			}
		}
	}
	return all
}

// flags declares the sizes.
func (b *flight) flags() {
	flag.IntVar(&b.Turns, "turns", 100_000, "flight: turns at once")
	flag.IntVar(&b.Rate, "flight-rate", 1030, "flight: callbacks a second")
	flag.DurationVar(&b.Least, "least", 100*time.Second, "flight: the shortest answer; all are posted before it has ended")
	flag.DurationVar(&b.Most, "most", 120*time.Second, "flight: the longest answer")
	flag.IntVar(&b.History, "flight-history", 0, "flight, weight: turns that everybody had before")
}

func (b *flight) wrong() bool {
	return min(b.Turns, b.Rate, b.Clients, b.Servers) < 1 || b.Least < slicesOfAnswer*time.Millisecond || b.Most < b.Least
}

// at is the same at another rate.
func (b flight) at(rate int) flight {
	b.Rate = rate
	return b
}
