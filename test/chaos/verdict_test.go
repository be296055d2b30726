package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/wecom"
	"parley/test/ledger"
)

func kinds(faults []fault) (list []string) {
	for _, f := range faults {
		list = append(list, f.Kind)
	}
	return list
}

func TestJudge(t *testing.T) {
	tenant := func(person string) string { return person[:4] }
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := told(t, c.lines)
			why := reasons{}
			for _, s := range p.shown {
				if read(s.Text).apology() {
					why[turn("acme", "app", p.name, "m1")] = "a reason"
				}
			}
			a := judge(map[string]*person{p.name: p}, why, tenant, time.Unix(1_000_100, 0))
			want := slices.Clone(c.faults)
			if !c.ordered {
				want = append(want, "history")
			}
			got := kinds(a.Faults)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s%v", diff, a.Faults)
			}
		})
	}
}

func TestAnApologyNeedsAReason(t *testing.T) {
	p := told(t, "0 says 1,1 ack 1,2 text failed")
	all := map[string]*person{p.name: p}
	name := turn("acme", "app", p.name, "m1")
	log := `time=… level=WARN msg="a turn failed" tenant=acme channel=app turn=` + name + ` attempt=1 kind=unavailable` + "\n" +
		`time=… level=WARN msg="sending failed" turn=00112233445566778899` + "\n"
	why := reasons{}
	why.learn(log)
	if len(why) != 1 {
		t.Fatalf("learned %v", why)
	}
	judged := func(why reasons) account {
		return judge(all, why, func(string) string { return "acme" }, time.Unix(1_000_100, 0))
	}
	if a := judged(why); len(a.Faults) != 0 || a.Excused["failed"] != 1 {
		t.Errorf("with a reason: %+v", a)
	}
	if a := judged(reasons{}); !slices.Equal(kinds(a.Faults), []string{"lost"}) {
		t.Errorf("without: %+v", a)
	}
}

func TestLogsAndPlatform(t *testing.T) {
	var a account
	a.log("client-1", "all is well\nlevel=WARN msg=\"a part of a reply may or may not have been shown; it is not sent again\"\npanic: nil map\n  panic: quoted\n")
	a.platform(wecom.Stats{Limited: 1, Truncated: 2, Shown: 9})
	if diff := cmp.Diff([]string{"log", "log", "dropped", "truncated"}, kinds(a.Faults)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRested(t *testing.T) {
	before := map[string]rest{"a": {Name: "a", Goroutines: 80, Heap: 5}, "b": {Name: "b", Goroutines: 80}, "c": {Name: "c"}, "d": {Name: "d"}}
	after := map[string]rest{"a": {Name: "a", Goroutines: 100, Heap: 50}, "b": {Name: "b", Goroutines: 500}, "c": {Name: "c", Heap: 900}}
	var r result
	r.rested(before, after)
	if diff := cmp.Diff([]string{"goroutines", "memory", "gone"}, kinds(r.Account.Faults)); diff != "" || len(r.Rest) != 3 {
		t.Errorf("%d at rest (-want +got):\n%s", len(r.Rest), diff)
	}
}

func TestLongAnswersComeWhole(t *testing.T) {
	id := ledger.ID{Person: "acme1", N: 5}
	lines := strings.Split(strings.TrimPrefix(ledger.Padding(id, 4), "\n"), "\n")
	head := ledger.Answer([]ledger.Line{{Role: "user", Text: ledger.Question(id)}})
	other := strings.ReplaceAll(lines[3], "acme1.5", "acme1.4")
	for _, c := range []struct {
		name  string
		shown []string
		whole bool
	}{
		{"in one part", []string{head + "\n" + strings.Join(lines, "\n")}, true},
		{"in three", []string{head + "\n" + lines[0], lines[1] + "\n" + lines[2], lines[3]}, true},
		{"and then a short one", []string{head + "\n" + lines[0], lines[1] + lines[2] + lines[3], "【言 failed】"}, true},
		{"without its end", []string{head + "\n" + lines[0], lines[1]}, false},
		{"without its end, and then another", []string{head + "\n" + lines[0], lines[1], head}, false},
		{"without its middle", []string{head + "\n" + lines[0], lines[2], lines[3]}, false},
		{"a part twice", []string{head + "\n" + lines[0], lines[1], lines[1], lines[2] + lines[3]}, false},
		{"its end twice", []string{head + "\n" + lines[0], lines[1] + lines[2] + lines[3], lines[3]}, false},
		{"with another's part", []string{head + "\n" + lines[0], lines[1] + lines[2], other}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &person{name: "acme1"}
			for _, text := range c.shown {
				p.shown = append(p.shown, shown{Person: p.name, Text: text})
			}
			var a account
			a.parts(p)
			if (len(a.Faults) == 0) != c.whole {
				t.Errorf("whole %v: %v", c.whole, a.Faults)
			}
		})
	}
}
