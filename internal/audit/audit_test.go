package audit

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var day0 = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

// chain seals n entries, one a day.
func chain(t *testing.T, n int) (entries []Entry, raws [][]byte) {
	t.Helper()
	var last Entry
	for i := range n {
		e, raw, err := Seal(last, Entry{By: "alice", Via: ViaConsole, Action: "degrade", Reason: "供应商故障", Details: map[string]string{"b": "2", "a": "1"}}, day0.AddDate(0, 0, i))
		if err != nil {
			t.Fatal(err)
		}
		entries, raws, last = append(entries, e), append(raws, raw), e
	}
	return entries, raws
}

func reopen(t *testing.T, raws [][]byte) (out []Entry) {
	t.Helper()
	for _, raw := range raws {
		e, err := Open(raw)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// TestChain: what was kept reads back as it was, and every kind of tampering is found at its place.
func TestChain(t *testing.T) {
	written, raws := chain(t, 6)
	now := day0.AddDate(0, 0, 6)
	read := reopen(t, raws)
	for i := range read {
		if read[i].Hash != written[i].Hash || read[i].Prev != written[i].Prev || !read[i].At.Equal(written[i].At) {
			t.Errorf("entry %d: %+v, written as %+v", i, read[i], written[i])
		}
	}
	if f := Verify(read, MinKeep, now); f != nil {
		t.Error("a whole log:", f)
	}
	forged := slices.Clone(raws)
	forged[2] = []byte(strings.Replace(string(raws[2]), "alice", "mallo", 1))
	again, _, err := Seal(written[1], Entry{By: "mallory", Action: "degrade"}, day0.AddDate(0, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		run  []Entry
		at   int64
		keep time.Duration
	}{
		"changed":               {reopen(t, forged), 4, 0},
		"replaced":              {append(append(slices.Clone(read[:2]), again), read[3:]...), 4, 0},
		"taken out":             {slices.Delete(slices.Clone(read), 2, 3), 4, 0},
		"put in twice":          {slices.Insert(slices.Clone(read), 2, read[1]), 2, 0},
		"cut off at the front":  {read[2:], 3, MinKeep},
		"order of two swapped":  {[]Entry{read[0], read[2], read[1]}, 3, 0},
		"first entry forgotten": {read[1:], 2, MinKeep},
	} {
		if f := Verify(c.run, c.keep, now); len(f) == 0 || f[0].Seq != c.at {
			t.Errorf("%s: %v; want it found at %d", name, f, c.at)
		}
	}
	if f := Verify(read[2:], MinKeep, now.Add(MinKeep)); f != nil {
		t.Error("old entries that ended in time:", f)
	}
}

func TestSealRefuses(t *testing.T) {
	if _, _, err := Seal(Entry{}, Entry{}, day0); err == nil {
		t.Error("an entry without an action was sealed")
	}
	if _, _, err := Seal(Entry{}, Entry{Action: "degrade", Reason: strings.Repeat("因", maxEntry)}, day0); err == nil || !strings.Contains(err.Error(), "shorten") {
		t.Error("an entry without bounds:", err)
	}
	if _, err := Open([]byte("no json")); err == nil {
		t.Error("an entry that is no JSON was opened")
	}
}
