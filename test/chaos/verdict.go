package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/ledger"
)

// fault is one thing that is wrong.
type fault struct {
	Kind string `json:"kind"`
	What string `json:"what"`
}

// account is what everybody said and saw, counted and judged.
type account struct {
	People   int `json:"people"`
	Posted   int `json:"posted"`
	Acked    int `json:"acked"`
	GivenUp  int `json:"given_up"` // by the platform, after its tries; not accepted
	Answered int `json:"answered"`
	Stops    int `json:"stops"`   // stop commands acknowledged
	Stopped  int `json:"stopped"` // answers that were stopped
	// Excused are messages with an apology in place of an answer, each with a line in a log that says why; by the text's name.
	Excused map[string]int `json:"excused"`
	Faults  []fault        `json:"faults"`
}

func (a *account) fault(kind, format string, args ...any) {
	a.Faults = append(a.Faults, fault{kind, fmt.Sprintf(format, args...)})
}

// reasons are why turns went without an answer, by the turn's name in the logs.
type reasons map[string]string

var excuse = regexp.MustCompile(`a turn failed|giving a message up`)
var turnName = regexp.MustCompile(`turn"?[=:]"?([0-9a-f]{20})`)

// learn takes a log's lines that explain an apology.
func (r reasons) learn(log string) {
	for line := range strings.Lines(log) {
		if !excuse.MatchString(line) {
			continue
		}
		if m := turnName.FindStringSubmatch(line); m != nil {
			r[m[1]] = strings.TrimSpace(line)
		}
	}
}

// turn is the name of a message's turn in logs.
func turn(tenant, channel, conversation, message string) string {
	h := sha256.New()
	for _, p := range []string{tenant, channel, conversation, message} {
		h.Write([]byte(p + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// judge compares what was said with what was seen. tenant names a person's.
func judge(all map[string]*person, why reasons, tenant func(person string) string, end time.Time) account {
	a := account{People: len(all), Excused: map[string]int{}, Faults: []fault{}}
	var asked []ledger.Asked
	var seen []ledger.Seen
	for _, p := range sortedPeople(all) {
		a.count(p, why, tenant(p.name))
		a.parts(p)
		if ok, undecided := p.inOrder(end); undecided {
			a.fault("undecided", "%s: the history is too long to decide\n%s", p.name, p.story())
		} else if !ok {
			a.fault("history", "%s: no order of events explains what was seen\n%s", p.name, p.story())
		}
		for _, m := range p.said {
			if !m.Stop {
				asked = append(asked, ledger.Asked{ID: m.ID, Begun: m.Begun, Acked: m.Acked})
			}
		}
		for _, s := range p.shown {
			if what := read(s.Text); what.name == "answer" || what.name == "" && !what.more {
				seen = append(seen, ledger.Seen{Person: s.Person, Text: s.Text, At: s.At})
			}
		}
	}
	// What was not acknowledged was not accepted, and what was not answered is counted above.
	for _, f := range ledger.Check(asked, seen, window).Faults {
		if f.Kind != ledger.Unacknowledged && f.Kind != ledger.Lost {
			a.fault(string(f.Kind), "%s: %s", f.Person, f.What)
		}
	}
	return a
}

// count adds a person's messages, and looks for an explanation of each that has no answer.
func (a *account) count(p *person, why reasons, tenant string) {
	answered := map[int]bool{}
	texts := map[string]int{}
	for _, s := range p.shown {
		what := read(s.Text)
		if what.name == "answer" {
			answered[what.answers.N] = true
		} else {
			texts[what.name]++
		}
	}
	a.Stopped += texts["stopped"]
	unexplained, stops := 0, 0
	for _, m := range p.said {
		a.Posted++
		if m.Stop {
			stops++
		}
		switch {
		case m.Acked.IsZero():
			a.GivenUp++
			continue
		case m.Stop:
			a.Acked++
			a.Stops++
			continue
		}
		a.Acked++
		if answered[m.ID.N] {
			a.Answered++
		} else if why[turn(tenant, "app", p.name, m.MsgID)] == "" {
			unexplained++ // it was stopped, or it is lost
		}
	}
	stopped := texts["stopped"]
	if stops == 0 {
		stopped = 0 // nobody asked for it
	}
	if unexplained > stopped {
		a.fault("lost", "%s: %d acknowledged questions have no answer, %d were stopped, and no log says why\n%s", p.name, unexplained, stopped, p.story())
	}
	for name, n := range texts {
		if (meaning{name: name}).apology() {
			a.Excused[name] += n
		}
	}
}

// parts checks that a long answer came whole, once, and with nothing in between.
func (a *account) parts(p *person) {
	var next ledger.Pad // what must come
	check := func() {
		if next.Of > 0 && next.I <= next.Of {
			a.fault("parts", "%s: the answer to %s ends before line %d of %d\n%s", p.name, next.ID, next.I, next.Of, p.story())
		}
		next = ledger.Pad{}
	}
	for _, s := range p.shown {
		if !read(s.Text).more {
			check()
		}
		for _, pad := range ledger.Padded(s.Text) {
			if next.Of == 0 {
				next = ledger.Pad{ID: pad.ID, I: 1, Of: pad.Of}
			}
			if pad != next {
				a.fault("parts", "%s: line %d of the answer to %s where line %d to %s belongs\n%s", p.name, pad.I, pad.ID, next.I, next.ID, p.story())
				next = ledger.Pad{}
				break
			}
			next.I++
		}
	}
	check()
}

// story is a conversation as it was seen from outside.
func (p *person) story() string {
	type line struct {
		at   time.Time
		what string
	}
	var lines []line
	for _, m := range p.said {
		name := fmt.Sprint(m.ID.N)
		if m.Stop {
			name += " (stop)"
		}
		lines = append(lines, line{m.Begun, fmt.Sprintf("says %s, MsgId %s, tried %d times", name, m.MsgID, m.Tries)})
		if m.Acked.IsZero() {
			lines = append(lines, line{m.Begun, name + " is not acknowledged"})
		} else {
			lines = append(lines, line{m.Acked, name + " is acknowledged"})
		}
	}
	for _, s := range p.shown {
		lines = append(lines, line{s.At, "sees " + firstLine(s.Text)})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "      %s %s\n", l.at.Format("15:04:05.000"), l.what)
	}
	return strings.TrimRight(b.String(), "\n")
}

// platform adds what only the platform knows.
func (a *account) platform(s wecom.Stats) {
	if s.Limited > 0 {
		a.fault("dropped", "the platform dropped %d messages over a member's limit", s.Limited)
	}
	if s.Truncated > 0 {
		a.fault("truncated", "the platform cut %d messages", s.Truncated)
	}
}

// alarms are lines that no log may hold: crashes, and parts that are given up where the platform would have taken them again.
var alarms = regexp.MustCompile(`^panic:|^fatal error:|may or may not have been shown|cannot be delivered|is kept as a dead letter|WARNING: DATA RACE`)

func (a *account) log(name, text string) {
	const most = 5
	n := 0
	for line := range strings.Lines(text) {
		if alarms.MatchString(line) {
			if n++; n <= most {
				a.fault("log", "%s: %s", name, strings.TrimSpace(line))
			}
		}
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
