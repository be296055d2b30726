package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// hour is one thing that the operator does; its note says how it went.
type hour struct {
	name string
	do   func(context.Context) (note string, err error)
}

func (s *stage) hours() []hour {
	return []hour{
		{"2 servers", func(context.Context) (string, error) { return "everybody talks", nil }},
		{"5 servers", s.scaleOut},
		{"a vendor fails", s.vendorFails},
		{"the vendor is back", s.vendorIsBack},
		{"every process upgraded", s.upgrade},
		{"secrets rotated", s.rotate},
		{"Redis restarted", s.restartRedis},
		{"3 servers", s.scaleIn},
	}
}

// scaleOut adds three servers and waits until each has answered somebody.
func (s *stage) scaleOut(ctx context.Context) (string, error) {
	began := time.Now()
	for range 3 {
		if err := s.addServer(ctx); err != nil {
			return "", err
		}
	}
	ready := time.Since(began)
	err := s.eventually(ctx, time.Minute, func() error {
		for _, n := range s.servers {
			if m, err := n.Metrics(ctx); err != nil || m.Sum("parley_rpc_server_completions_total") == 0 {
				return fmt.Errorf("%s has answered nobody: %w", n.Name, err)
			}
		}
		return nil
	})
	return fmt.Sprintf("three more registered after %.1f s, the last had answered after %.1f s", ready.Seconds(), time.Since(began).Seconds()), err
}

// vendorFails has every call to OpenAI fail. People get answers all the same, by fallback; an alert calls the operator, who switches in the
// console to the other vendor.
func (s *stage) vendorFails(ctx context.Context) (string, error) {
	if err := s.watchThem(); err != nil {
		return "", err
	}
	before, err := s.quiet(ctx, 30*time.Second)
	if err != nil {
		return "", fmt.Errorf("%w before anything failed, after %v", err, before)
	}
	if err := s.vendor.SetRules(ctx, llm.Rule{Fault: llm.Fault{Kind: llm.FaultStatus, Status: 503}}); err != nil {
		return "", err
	}
	after, err := s.fires(ctx, "ParleyBreakerOpen", time.Minute)
	if err != nil {
		return "", err
	}
	said, err := s.click(ctx, "degrade")
	return fmt.Sprintf("the alert fired after %.0f s; in the console: %s", after.Seconds(), said), err
}

// vendorIsBack mends the vendor, and the operator restores in the console.
func (s *stage) vendorIsBack(ctx context.Context) (string, error) {
	if err := s.vendor.SetRules(ctx); err != nil {
		return "", err
	}
	if _, err := s.click(ctx, "restore"); err != nil {
		return "", err
	}
	after, err := s.quiet(ctx, 2*time.Minute)
	if err != nil {
		return "", err
	}
	err = s.eventually(ctx, 30*time.Second, func() error {
		stats, err := s.vendor.Stats(ctx)
		if err == nil && stats.Running == 0 {
			err = errors.New("nobody asks it")
		}
		return err
	})
	_, shown := s.click(ctx, "look")
	return fmt.Sprintf("restored in the console, no alert after %.0f s", after.Seconds()), errors.Join(err, shown)
}

// upgrade tells one process after the other to end and starts it again, servers first, as an orchestrator does with a new release.
func (s *stage) upgrade(ctx context.Context) (string, error) {
	console := []*rig.Node{s.console}
	for _, list := range [][]*rig.Node{s.servers, s.clients, console} {
		for i := range list {
			if err := list[i].Term(termWithin); err != nil {
				return "", err
			}
			again, err := list[i].Restart(ctx)
			if err != nil {
				return "", err
			}
			list[i] = again
		}
	}
	s.console = console[0]
	return fmt.Sprintf("%d processes, one after the other", len(s.nodes())), nil
}

// restartRedis ends Redis in good order and starts it again. Callbacks get 503 meanwhile, and the platform delivers again.
func (s *stage) restartRedis(ctx context.Context) (string, error) {
	began := time.Now()
	s.rig.Redis.Stop()
	s.pause(ctx)
	if err := s.rig.RestartRedis(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("away for %.1f s", time.Since(began).Seconds()), nil
}

// scaleIn takes out two servers: one is drained first, and has no work left when it is told to end; what runs on the other ends there.
func (s *stage) scaleIn(ctx context.Context) (string, error) {
	for i := range 2 {
		last := s.servers[len(s.servers)-1]
		if i == 0 {
			if err := s.drain(ctx, last); err != nil {
				return "", err
			}
		}
		if err := last.Term(termWithin); err != nil {
			return "", err
		}
		s.mu.Lock()
		s.servers = slices.Delete(s.servers, len(s.servers)-1, len(s.servers))
		s.mu.Unlock()
	}
	return "one drained and then ended, one ended while it answered", s.watchThem()
}

// drain has no new turn go to a server, by the operator's command, and waits until none runs there.
func (s *stage) drain(ctx context.Context, n *rig.Node) error {
	if out, err := s.rig.Parley(ctx, nil, "drain", n.Addr, "--config", filepath.Join(s.rig.Dir, "client-1.yaml"), "--reason", "the evening"); err != nil {
		return fmt.Errorf("drain: %w: %s", err, out)
	}
	return s.eventually(ctx, time.Minute, func() error {
		m, err := n.Metrics(ctx)
		if running := m.Sum("parley_rpc_server_streams"); err == nil && running > 0 {
			err = fmt.Errorf("%s still runs %v streams", n.Name, running)
		}
		return err
	})
}

// eventually asks until there is no error, or no time: then it is the last one.
func (s *stage) eventually(ctx context.Context, within time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not within %v", within), err)
		}
	}
}
