package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/test/ledger"
)

// told builds a conversation from lines such as "1 says 2", "3 ack 2", "4 answer 2", "5 text stopped", "0 stop 3", at seconds since a start.
func told(t *testing.T, lines string) *person {
	t.Helper()
	start := time.Unix(1_000_000, 0)
	p := &person{name: "acme1"}
	for line := range strings.SplitSeq(lines, ",") {
		var at int
		var what, arg string
		if _, err := fmt.Sscan(line, &at, &what, &arg); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		when := start.Add(time.Duration(at) * time.Second)
		n := 0
		_, _ = fmt.Sscan(arg, &n)
		id := ledger.ID{Person: p.name, N: n}
		switch what {
		case "says", "stop":
			p.said = append(p.said, said{ID: id, MsgID: "m" + arg, Stop: what == "stop", Begun: when})
		case "ack":
			p.said[n-1].Acked = when
		case "answer":
			p.shown = append(p.shown, shown{p.name, ledger.Answer(p.context(id)), when})
		case "text":
			p.shown = append(p.shown, shown{p.name, "【言 " + arg + "】", when})
		case "noise":
			p.shown = append(p.shown, shown{p.name, arg, when})
		default:
			t.Fatalf("%q", line)
		}
	}
	return p
}

// context is what the model was given if the conversation went as it was shown.
func (p *person) context(id ledger.ID) (lines []ledger.Line) {
	for _, s := range p.shown {
		if of, ok := ledger.Answered(s.Text); ok {
			lines = append(lines, ledger.Line{Role: "user", Text: ledger.Question(of)}, ledger.Line{Role: "assistant", Text: s.Text})
		}
	}
	return append(lines, ledger.Line{Role: "user", Text: ledger.Question(id)})
}

// cases are conversations, with what is wrong in them.
var cases = []struct {
	name, lines string
	ordered     bool
	faults      []string // kinds, besides "history"
}{
	{"answered", "0 says 1,1 ack 1,2 answer 1", true, nil},
	{"answered before the acknowledgement", "0 says 1,1 answer 1,2 ack 1", true, nil},
	{"in order", "0 says 1,1 ack 1,1 says 2,2 ack 2,3 answer 1,4 answer 2", true, nil},
	{"posted at once", "0 says 1,0 says 2,1 ack 1,1 ack 2,3 answer 2,4 answer 1", true, nil},
	{"an answer stopped", "0 says 1,1 ack 1,1 stop 2,2 ack 2,3 text stopped,4 text stop_done", true, nil},
	{"a stop that came too late", "0 says 1,1 ack 1,1 stop 2,2 ack 2,3 answer 1,4 text stop_none", true, nil},
	{"given up by the platform", "0 says 1", true, nil},
	{"given up by the platform, and answered", "0 says 1,4 answer 1", true, nil},
	{"given up by the platform, and answered late", "0 says 1,20 says 2,21 ack 2,22 answer 2,24 answer 1", true, nil},
	{"an apology with a reason", "0 says 1,1 ack 1,2 text failed", true, nil},

	{"lost", "0 says 1,1 ack 1", false, []string{"lost"}},
	{"a stop lost", "0 says 1,1 ack 1,1 stop 2,2 ack 2,3 answer 1", false, nil},
	{"answered twice", "0 says 1,1 ack 1,2 answer 1,3 answer 1", false, []string{"answered twice"}},
	{"given up by the platform, and answered twice", "0 says 1,4 answer 1,5 answer 1", false, []string{"answered twice"}},
	{"out of order", "0 says 1,1 ack 1,2 says 2,3 ack 2,4 answer 2,5 answer 1", false, []string{"out of order"}},
	{"an apology and an answer", "0 says 1,1 ack 1,2 text failed,3 answer 1", false, nil},
	{"an answer to what nobody asked", "0 says 1,1 ack 1,2 answer 1,3 answer 7", false, []string{"not an answer"}},
	{"stopped by nobody", "0 says 1,1 ack 1,3 text stopped", true, []string{"lost"}},
	{"noise", "0 says 1,1 ack 1,2 answer 1,3 noise 你好", false, []string{"not an answer"}},
	{"stopped by a command that the platform gave up", "0 says 2,1 stop 1,3 text stopped", true, nil},
	{"an answer before its question", "5 says 1,6 ack 1,2 answer 1", false, nil},
}

func TestOrder(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := told(t, c.lines)
			if ok, undecided := p.inOrder(time.Unix(1_000_100, 0)); ok != c.ordered || undecided {
				t.Errorf("in order %v (undecided %v), want %v:\n%s", ok, undecided, c.ordered, p.story())
			}
		})
	}
}
