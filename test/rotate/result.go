package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/sim/llm"
	"parley/test/ledger"
)

// rotated is one rotation that went through.
type rotated struct {
	name string
	took time.Duration
}

// result is what a run found.
type result struct {
	done    []rotated
	people  ledger.Report
	refused int // deliveries of callbacks that were not answered 200
	// forgiven are how many of those may have met a Redis that did not answer in time, and how many turns may have paused for a server that did
	// not: beside many other tests a disk or a core stands still for a second. All are answered all the same.
	forgiven int
	slowest  time.Duration
	calls    int // of the provider
}

func (r *result) String() string {
	var b strings.Builder
	for _, d := range r.done {
		fmt.Fprintf(&b, "  rotated %-12s in %s\n", d.name, d.took.Round(100*time.Millisecond))
	}
	fmt.Fprintf(&b, "%s  %-18s %7d\n  %-18s %7d\n  %-18s %7s\n", r.people, "callbacks refused", r.refused, "provider's calls", r.calls, "slowest answer", r.slowest.Round(time.Millisecond))
	return b.String()
}

// judge looks at everything that people saw, the platform and the provider were told, and the processes said.
func (s *stage) judge(ctx context.Context, r *result) error {
	r.people = s.people.Check(s.company.Window)
	for _, m := range s.people.Messages() {
		r.refused += max(0, m.Tries-1)
		if !m.Answered.IsZero() {
			r.slowest = max(r.slowest, m.Answered.Sub(m.Due))
		}
	}
	var errs []error
	if !r.people.OK() || r.people.Asked < 100 {
		errs = append(errs, fmt.Errorf("of %d messages %d have faults", r.people.Asked, len(r.people.Faults)))
	}
	if r.refused > r.forgiven {
		errs = append(errs, fmt.Errorf("%d callbacks were refused", r.refused))
	}
	calls, err := s.model.Ledger(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	r.calls = len(calls)
	failed := slices.DeleteFunc(slices.Clone(calls), func(e llm.Entry) bool { return e.Outcome == llm.Finished })
	if len(failed) > 0 {
		errs = append(errs, fmt.Errorf("%d of %d calls to the provider failed, the first: %+v", len(failed), len(calls), failed[0]))
	}
	if last := calls[len(calls)-1]; last.Key != chat.NewSecret(s.provider).Fingerprint() {
		errs = append(errs, errors.New("the provider was called last with another key than the one in force"))
	}
	return errors.Join(append(errs, s.wellEverywhere(ctx, r.forgiven > 0))...)
}

// serversWereThere: a turn for which no server can be called waits, and fails only much later.
func (s *stage) serversWereThere(ctx context.Context, forgiven int) error {
	for _, n := range s.clients {
		m, err := n.Metrics(ctx)
		if err != nil {
			return err
		}
		if waited := m.Sum("parley_place_waits_total", `reason="no_server"`); waited > float64(forgiven) {
			return fmt.Errorf("%s had no server for %.0f turns", n.Name, waited)
		}
	}
	return nil
}

// wellEverywhere asks for status, which logs in everywhere, and looks for errors in the logs.
func (s *stage) wellEverywhere(ctx context.Context, stalls bool) error {
	out, err := s.rig.Parley(ctx, nil, "status", "--config", s.rig.Dir+"/client-1.yaml")
	if err != nil || strings.Count(out, "  up ") != len(s.servers) {
		err = errors.Join(err, fmt.Errorf("parley status:\n%s", out))
	}
	for _, n := range s.all() {
		log, _ := os.ReadFile(n.Log)
		for line := range strings.Lines(string(log)) {
			// What the platform refuses between its new secret and the file's is said so, and the replies wait.
			excused := strings.Contains(line, "platform refuses all that is sent") || stalls && strings.Contains(line, "redis.accept: timeout")
			if strings.Contains(line, `"level":"ERROR"`) && !excused {
				err = errors.Join(err, fmt.Errorf("%s says %s", n.Name, line))
			}
		}
	}
	return err
}

func fetch(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
