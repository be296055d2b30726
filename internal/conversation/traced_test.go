package conversation

import (
	"log/slog"
	"testing"
	"time"

	"parley/internal/chat"
)

// TestTakenOver: a reply that its owner postponed was taken from nobody.
func TestTakenOver(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		claim Claim
		want  bool
	}{
		"new":                           {Claim{Attempt: 1}, false},
		"its owner died":                {Claim{Attempt: 2}, true},
		"its owner died while it sent":  {Claim{Attempt: 1, Unfinished: &Unfinished{Since: now.Add(-time.Second)}}, true},
		"postponed, and may be shown":   {Claim{Attempt: 1, Unfinished: &Unfinished{Since: now.Add(-time.Second), Tries: 1}}, false},
		"postponed before it was tried": {Claim{Attempt: 1, Unfinished: &Unfinished{Since: now.Add(time.Second)}}, false},
		"postponed after a takeover":    {Claim{Attempt: 2, Unfinished: &Unfinished{Since: now.Add(-time.Second), Tries: 3}}, false},
	} {
		c.claim.Now = now
		if got := takenOver(&c.claim); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestLogged: a line names a trace that somebody can look up, or none.
func TestLogged(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for trace, want := range map[string]slog.Attr{
		"00-" + id + "-b7ad6b7169203331-01": slog.String("trace_id", id), "00-" + id + "-b7ad6b7169203331-00": {}, "": {}, "-01": {},
	} {
		if got := logged(&Claim{Message: Waiting{Message: chat.Message{Trace: trace}}}); !got.Equal(want) {
			t.Errorf("%q: %v", trace, got)
		}
	}
}
