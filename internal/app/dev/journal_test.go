package dev

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Which message a reply belongs to: the oldest that waits; a further part: the newest.
func TestReplyBelongsToItsMessage(t *testing.T) {
	said := func(user, text string) entry { return entry{Kind: "said", User: user, Text: text} }
	shown := func(user string) entry { return entry{Kind: "shown", User: user} }
	refused := func(of int64) entry { return entry{Kind: "posted", User: "a", Of: of, Error: "503"} }
	tests := []struct {
		name    string
		entries []entry
		want    []int64 // Of, of each shown entry
	}{
		{"one", []entry{said("a", "x"), shown("a")}, []int64{1}},
		{"two in order", []entry{said("a", "x"), said("a", "y"), shown("a"), shown("a")}, []int64{1, 2}},
		{"two people", []entry{said("a", "x"), said("b", "y"), shown("b"), shown("a")}, []int64{2, 1}},
		{"two parts", []entry{said("a", "x"), shown("a"), shown("a")}, []int64{1, 1}},
		{"unasked", []entry{shown("a")}, []int64{0}},
		{"to somebody else", []entry{said("a", "x"), shown("b")}, []int64{0}},
		{"a refused message is not answered", []entry{said("a", "x"), refused(1), said("a", "y"), shown("a")}, []int64{3}},
		{"opened, and not welcomed again", []entry{said("a", ""), said("a", "y"), shown("a")}, []int64{2}},
		{"opened and welcomed", []entry{said("a", ""), shown("a"), said("a", "y"), shown("a")}, []int64{1, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := newJournal()
			at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
			for _, e := range tt.entries {
				at = at.Add(time.Second)
				e.At = at
				j.add(e)
			}
			var got []int64
			kept, _ := j.after(0)
			for _, e := range kept {
				if e.Kind == "shown" {
					got = append(got, e.Of)
					if e.Of != 0 && e.Took != float64(e.ID-e.Of)*1000 {
						t.Errorf("entry %d took %v ms since %d", e.ID, e.Took, e.Of)
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJournalIsBoundedAndWakes(t *testing.T) {
	j := newJournal()
	_, more := j.after(0)
	for i := range journalMax + 10 {
		j.add(entry{Kind: "said", User: "a", Text: strconv.Itoa(i)})
	}
	select {
	case <-more:
	default:
		t.Error("who waits was not woken")
	}
	kept, _ := j.after(0)
	if len(kept) != journalMax || kept[0].ID != 11 || len(j.waiting) != journalMax {
		t.Errorf("%d entries from %d, %d waiting", len(kept), kept[0].ID, len(j.waiting))
	}
	for _, tt := range []struct{ after, want int64 }{{journalMax + 10, 0}, {journalMax + 9, 1}, {500, 10}, {11, journalMax - 1}, {3, journalMax}} {
		if got, _ := j.after(tt.after); int64(len(got)) != tt.want {
			t.Errorf("after %d: %d entries, want %d", tt.after, len(got), tt.want)
		}
	}
}

func TestPlace(t *testing.T) {
	j := newJournal()
	for id, want := range map[string]int64{j.epoch + ".7": 7, "other.7": 0, "7": 0, "": 0, j.epoch: 0, j.epoch + ".x": 0} {
		if got := j.place(id); got != want {
			t.Errorf("place(%q) = %d, want %d", id, got, want)
		}
	}
}

// A card that grows takes its own place: pages that come later see it once, and the next reply is not taken for it.
func TestCardIsRewritten(t *testing.T) {
	j := newJournal()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	add := func(e entry) {
		at = at.Add(time.Second)
		e.At = at
		j.add(e)
	}
	card := func(phone, user, name, text string, part bool) entry {
		return entry{Kind: "shown", Phone: phone, User: user, Card: name, Text: text, Part: part}
	}
	add(entry{Kind: "said", Phone: "ding", User: "a", Text: "x"}) // 1
	add(card("ding", "a", "c1", "", true))                        // opened; the first text comes after
	add(entry{Kind: "said", Phone: "ding", User: "a", Text: "y"}) // 3
	add(card("ding", "a", "c1", "青色", true))
	add(card("lark", "a", "c1", "another platform's", true))
	add(card("ding", "b", "c1", "another person's", true))
	add(card("ding", "a", "c1", "青色。", false))
	add(card("ding", "a", "c2", "第二个", false))
	kept, _ := j.after(0)
	type line struct {
		Text        string
		Place, Of   int64
		Part        bool
		First, Took float64
	}
	var got []line
	for _, e := range kept {
		if e.Kind == "shown" {
			got = append(got, line{e.Text, e.Place, e.Of, e.Part, e.First, e.Took})
		}
	}
	want := []line{
		{"another platform's", 0, 0, true, 0, 0},
		{"another person's", 0, 0, true, 0, 0},
		{"青色。", 2, 1, false, 3000, 6000},
		{"第二个", 0, 3, false, 5000, 5000},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What one person says on two phones is two things.
func TestPhonesStayApart(t *testing.T) {
	j := newJournal()
	j.add(entry{Kind: "said", Phone: "app", User: "a", Text: "x"})
	j.add(entry{Kind: "said", Phone: "ding", User: "a", Text: "x"})
	j.add(entry{Kind: "shown", Phone: "ding", User: "a"})
	j.add(entry{Kind: "shown", Phone: "app", User: "a"})
	kept, _ := j.after(0)
	if kept[2].Of != 2 || kept[3].Of != 1 {
		t.Errorf("the replies belong to %d and %d", kept[2].Of, kept[3].Of)
	}
}
