package main

import (
	"sync/atomic"

	"parley/internal/sim/wecom"
	"parley/test/crowd"
)

// fork leads what is shown to the people who talk at the time.
type fork struct{ now atomic.Pointer[crowd.Crowd] }

func newFork(first *crowd.Crowd) *fork {
	f := &fork{}
	f.to(first)
	return f
}

func (f *fork) to(c *crowd.Crowd) { f.now.Store(c) }

func (f *fork) show(s wecom.Sent) { f.now.Load().Shown(s) }
