package audit

import (
	"fmt"
	"time"
)

// Finding is a place where a chain is not as it was written.
type Finding struct {
	Seq  int64  `json:"seq"`
	What string `json:"what"`
}

// Verify says where a run of entries, oldest first, is not the chain that was written; nil: nowhere. keep is for how long entries are kept: a run
// that was read from its very beginning and begins later than the first entry must have lost entries older than that. 0: the run is a part of a log.
func Verify(run []Entry, keep time.Duration, now time.Time) (out []Finding) {
	if keep > 0 && len(run) > 0 && run[0].Seq > 1 && now.Sub(run[0].At) < keep-keep/8 {
		out = append(out, Finding{run[0].Seq, fmt.Sprintf("the log begins here, on %s: entries before it are gone, though they are kept for %d days",
			run[0].At.Format(time.DateOnly), int(keep.Hours()/24))})
	}
	for i := 1; i < len(run); i++ {
		before, e := run[i-1], run[i]
		switch {
		case e.Seq != before.Seq+1:
			out = append(out, Finding{e.Seq, fmt.Sprintf("it comes after entry %d: those between are gone", before.Seq)})
		case e.Prev != before.Hash:
			out = append(out, Finding{e.Seq, fmt.Sprintf("it was written after another form of entry %d: that was changed, or this one", before.Seq)})
		case e.At.Before(before.At.Add(-time.Minute)):
			out = append(out, Finding{e.Seq, "it is older than the entry before it: a clock was wrong, or it was made up"})
		}
	}
	return out
}
