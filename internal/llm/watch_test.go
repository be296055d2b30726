package llm

import (
	"context"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// A server that stood still itself, with its machine, has not heard what the model said meanwhile: that is no silence of the model.
func TestAStandstillOfOursIsNoSilence(t *testing.T) {
	limits := route.Deadlines{FirstToken: 30 * time.Second, Idle: 20 * time.Second, Turn: 180 * time.Second}
	for name, c := range map[string]struct {
		ago   time.Duration // since the call began
		heard time.Duration // notYet: never
		due   time.Duration // when the timer was to fire
		ends  bool
	}{
		"silent":                             {41 * time.Second, 20 * time.Second, 41 * time.Second, true},
		"silent, seen late":                  {45 * time.Second, 20 * time.Second, 40 * time.Second, false},
		"silent, and again after that":       {46 * time.Second, 20 * time.Second, 46 * time.Second, true},
		"no first text":                      {30 * time.Second, notYet, 30 * time.Second, true},
		"no first text, seen late":           {33 * time.Second, notYet, 30 * time.Second, false},
		"the turn's time is over, seen late": {200 * time.Second, 190 * time.Second, 180 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch(t.Context(), time.Now().Add(limits.Turn), limits)
			defer w.stop()
			w.timer.Stop()
			w.began, w.due = w.began.Add(-c.ago), c.due
			w.heard.Store(int64(c.heard))
			w.look()
			if ends := w.Err() != nil; ends != c.ends {
				t.Errorf("ended %v, want %v", ends, c.ends)
			}
			if why := context.Cause(w); c.ends && chat.KindOf(why) != chat.Timeout {
				t.Errorf("ended by %v", why)
			}
		})
	}
}
