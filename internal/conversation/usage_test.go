package conversation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func TestDay(t *testing.T) {
	for at, want := range map[string]string{
		"2026-11-22T15:59:59.999Z": "2026-11-22", "2026-11-22T16:00:00Z": "2026-11-23", "2026-11-23T00:00:00+08:00": "2026-11-23",
		"2024-02-29T12:00:00-11:00": "2024-03-01", "1970-01-01T00:00:00Z": "1970-01-01", "1969-12-31T15:59:59Z": "1969-12-31",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		d := conversation.DayOf(moment)
		if d.String() != want {
			t.Errorf("%s lies on %v, want %s", at, d, want)
		}
		if moment.Before(d.Begins()) || !moment.Before(d.Ends()) || d.Ends().Sub(d.Begins()) != 24*time.Hour || conversation.DayOf(d.Ends()) != d+1 {
			t.Errorf("%s: the day is from %v to %v", at, d.Begins(), d.Ends())
		}
	}
}

func TestItemize(t *testing.T) {
	s := chat.Spend{Provider: "p", Model: "m", Usage: chat.Usage{Input: 5, Cached: 2, Output: 3, Reasoning: 1}}
	own, guess, odd := s, s, s
	own.Own, guess.Usage.Estimated, odd.Usage.Input = true, true, -100
	got := conversation.Itemize([]chat.Spend{s, own, s, guess, odd, {Provider: "p", Model: "m"}})
	want := map[conversation.Item]conversation.Tokens{
		{Provider: "p", Model: "m"}:                  {Calls: 3, Input: 10, Cached: 6, Output: 9, Reasoning: 3},
		{Provider: "p", Model: "m", Own: true}:       {Calls: 1, Input: 5, Cached: 2, Output: 3, Reasoning: 1},
		{Provider: "p", Model: "m", Estimated: true}: {Calls: 1, Input: 5, Cached: 2, Output: 3, Reasoning: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
