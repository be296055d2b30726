package simulate

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// historyTurns is what conversations remember: few, so that they forget, too.
const historyTurns = 6

// letter is what the ledger knows of one message.
type letter struct {
	m        chat.Message
	posted   time.Time
	acked    time.Time // zero: never
	accepted bool
	at       time.Time // when it was stored
	seq      int64
	shed     conversation.Shed
	claims   int
	attempts int       // claims that count
	claimed  time.Time // last
	stopped  bool      // a stop command stands behind it
	into     *letter   // it is one with this, whose text is of both; nil: it stands for itself
	calls    []*call

	committed bool
	fence     int64
	dead      string
	forgot    bool // as a dead letter, because the person asked for it
	gone      int  // how many of the person's dead letters this message had removed
	text      string
	parts     []*sent
	done      bool
}

// sent is one part of a committed reply.
type sent struct {
	bytes    string
	shown    int
	refused  bool      // by the platform, for good
	intended time.Time // by an owner that is gone; zero: no
	doubt    time.Time // when a send may have been taken first; zero: never
	tries    time.Time // when a try failed first
	skipped  bool      // dealt with, and not shown
}

// talk is what the ledger knows of one conversation.
type talk struct {
	key     chat.ConversationKey
	letters []*letter // by seq
	fence   int64     // the newest
	owner   string    // whose it is, or was
	taken   time.Time // when
	open    bool      // its owner has neither ended its message nor given it back
	history []chat.Turn
	noted   string
	last    *letter // whose part was shown last
	lastNo  int
	sends   []time.Time // calls of the platform
	due     time.Time   // a postponed reply's
}

// ledger watches every effect. Its methods are called under the world's lock, right after the effect, unless they say otherwise.
type ledger struct {
	w       *world
	letters map[string]*letter
	talks   map[string]*talk
	calls   map[string]*call
	seats   []seat // calls under way
}

// A person's text begins with what Parley says before an answer.
var (
	preface = regexp.MustCompile(`^(<degraded (\S+)>\n\n)?(<waited \d+>\n\n)?`)
	word    = regexp.MustCompile(`^<([a-z_]+)`)
	answers = regexp.MustCompile(`^<answer (\S+) `)
)

// kindOf is a text's word: answer, or the name of one of Parley's own texts.
func kindOf(text string) string {
	if strings.HasSuffix(text, "<stopped>") {
		return "stopped"
	}
	if m := word.FindStringSubmatch(preface.ReplaceAllString(text, "")); m != nil {
		return m[1]
	}
	return ""
}

// answer is the call whose answer a text is; nil: it is none.
func (l *ledger) answer(text string) *call {
	if m := answers.FindStringSubmatch(preface.ReplaceAllString(text, "")); m != nil && kindOf(text) == "answer" {
		return l.calls[m[1]]
	}
	return nil
}

func newLedger(w *world) *ledger {
	return &ledger{w: w, letters: map[string]*letter{}, talks: map[string]*talk{}, calls: map[string]*call{}}
}

func (l *ledger) talk(key chat.ConversationKey) *talk {
	t := l.talks[name(key)]
	if t == nil {
		t = &talk{key: key}
		l.talks[name(key)] = t
	}
	return t
}

func (l *ledger) accepted(m chat.Message, got conversation.Accepted, err error) {
	le := l.letters[m.ID]
	if err != nil || got.Duplicate {
		return
	}
	l.w.note(name(m.Conversation), "%s accepted as %d%s: %.20s", m.ID, got.Seq, got.Shed, m.Text)
	if le.accepted {
		return // a second copy; what comes of it is the question
	}
	le.accepted, le.at, le.seq, le.shed = true, time.Now(), got.Seq, got.Shed
	t := l.talk(m.Conversation)
	if n := len(t.letters); n > 0 && t.letters[n-1].seq >= got.Seq {
		l.w.fault("%s got seq %d after %d", m.ID, got.Seq, t.letters[n-1].seq)
	}
	if got.Merged {
		l.merged(t, le)
	}
	t.letters = append(t.letters, le)
	if m.Text == "/forget" {
		t.due = time.Time{}
	}
}

// merged puts the last message of a conversation into one that was just accepted.
func (l *ledger) merged(t *talk, le *letter) {
	last := t.letters[len(t.letters)-1]
	behind := slices.ContainsFunc(t.letters[:len(t.letters)-1], func(other *letter) bool { return !other.done })
	if !behind || last.claims > 0 || last.m.User != le.m.User || last.shed != conversation.NotShed || le.shed != conversation.NotShed {
		l.w.fault("%s was put into %s, which is claimed, first, shed or another's", le.m.ID, last.m.ID)
	}
	le.m.Text, le.at, last.into = last.m.Text+"\n"+le.m.Text, last.at, le
	t.letters = t.letters[:len(t.letters)-1]
}

func (l *ledger) claimed(c *conversation.Claim) {
	w, t, le := l.w, l.talk(c.Key), l.letters[c.Message.ID]
	w.note(name(c.Key), "%s claimed by %s, fence %d, attempt %d, %d turns, unfinished %v, stopped %v",
		le.m.ID, c.Owner, c.Fence, c.Attempt, len(c.History), c.Unfinished != nil, c.Stopped)
	if c.Fence < t.fence {
		w.fault("%s was claimed with fence %d after %d", le.m.ID, c.Fence, t.fence)
	}
	if c.Fence == t.fence {
		return // the answer to a repetition
	}
	l.checkTakeover(t, le)
	if early := time.Until(t.due); early > 0 {
		w.fault("%s was claimed %v before it was due", le.m.ID, early)
	}
	t.fence, t.owner, t.taken, t.open = c.Fence, c.Owner, time.Now(), true
	le.claims++
	if !le.committed {
		le.attempts++
	}
	if c.Attempt != le.attempts {
		w.fault("%s is in attempt %d, want %d", le.m.ID, c.Attempt, le.attempts)
	}
	for _, other := range t.letters {
		if !other.done {
			if other != le || le.seq != c.Message.Seq {
				w.fault("%s (%d) was claimed and %s (%d) comes first", le.m.ID, c.Message.Seq, other.m.ID, other.seq)
			}
			break
		}
	}
	if le.done {
		w.fault("%s was claimed and is done", le.m.ID)
	}
	if got, want := turns(c.History), turns(t.history); got != want {
		w.fault("%s was claimed with the history %s, want %s", le.m.ID, got, want)
	}
	if (c.Unfinished != nil) != le.committed {
		w.fault("%s was claimed with an unfinished reply %v, and is committed %v", le.m.ID, c.Unfinished != nil, le.committed)
		return
	}
	if c.Unfinished != nil && c.Unfinished.Next < len(le.parts) {
		s := le.parts[c.Unfinished.Next]
		if s.intended = c.Unfinished.Since; s.intended.After(c.Now) {
			s.intended = time.Time{} // it certainly was not sent
		}
	}
	le.stopped, le.claimed = c.Stopped, time.Now()
}

func turns(h []chat.Turn) string {
	var out []string
	for _, t := range h {
		out = append(out, strings.TrimPrefix(t.Question, "ask "))
	}
	return strings.Join(out, " ")
}

// called notes a call of a model for a message.
func (l *ledger) called(id string, req chat.Request, p *process) *call {
	le := l.letters[id]
	t := l.talk(le.m.Conversation)
	c := &call{id: fmt.Sprint(id, ".", len(le.calls)+1), history: len(req.History), before: turns(req.History), began: time.Now(), fence: t.fence}
	if t.owner != p.name {
		c.fence = 0 // it is another's already
	}
	le.calls = append(le.calls, c)
	l.calls[c.id] = c
	l.checkSeats(le.m.Conversation.Tenant, c, p)
	if le.m.Text != req.Question {
		l.w.fault("%s asked %q", id, req.Question)
	}
	return c
}

// told notes what a call cost, as its process heard. It takes the lock.
func (l *ledger) told(c *call, p *process, s chat.Spend) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	c.told, c.toldTo = append(c.told, s), p
}

func (l *ledger) committed(c conversation.Claim, o conversation.Outcome, err error) {
	w, t, le := l.w, l.talk(c.Key), l.letters[c.Message.ID]
	if err != nil {
		w.note(name(c.Key), "%s: %s's commit with fence %d: %v", le.m.ID, c.Owner, c.Fence, err)
		return
	}
	if le.committed {
		if le.fence != c.Fence {
			w.fault("%s was committed with fence %d, and again with %d", le.m.ID, le.fence, c.Fence)
		}
		return
	}
	le.committed, le.fence, le.dead = true, c.Fence, o.Dead
	for _, p := range o.Parts {
		var pc piece
		if err := json.Unmarshal(p, &pc); err != nil || pc.Message != le.m.ID {
			w.fault("%s was committed with a part of %q: %v", le.m.ID, pc.Message, err)
		}
		le.parts = append(le.parts, &sent{bytes: string(p)})
		le.text += pc.Text
	}
	w.note(name(c.Key), "%s committed by %s with %d parts: %.50q", le.m.ID, c.Owner, len(o.Parts), le.text)
	if c.Fence != t.fence {
		w.fault("%s was committed with fence %d, and %d is the newest", le.m.ID, c.Fence, t.fence)
	}
	l.explain(c, o, t, le)
	l.remember(c, o, t, le)
	if len(o.Parts) == 0 {
		l.finish(le)
	}
}

// remember follows the conversation's history and state.
func (l *ledger) remember(c conversation.Claim, o conversation.Outcome, t *talk, le *letter) {
	w := l.w
	answer := l.answer(le.text)
	if want := turns(t.history); answer != nil && answer.before != want {
		w.fault("%s was answered out of the history %s, now it is %s", le.m.ID, answer.before, want)
	}
	kind := kindOf(le.text)
	if want := le.m.Text == "/"+kind && (kind == "reset" || kind == "forget"); o.Reset != want {
		w.fault("%s: the history is forgotten %v, want %v", le.m.ID, o.Reset, want)
	}
	switch {
	case o.Reset:
		t.history, t.noted = nil, ""
	case answer != nil:
		t.noted = ""
		if answer.start.Degraded {
			t.noted = answer.start.Provider
		}
	}
	if o.State.Noted != t.noted {
		w.fault("%s: the state notes %q, want %q", le.m.ID, o.State.Noted, t.noted)
	}
	if (o.Turn != nil) != (answer != nil) {
		w.fault("%s: a turn for the history %v, and the text is %.40q", le.m.ID, o.Turn != nil, le.text)
	}
	if o.Turn == nil {
		return
	}
	if o.Turn.Question != le.m.Text || !strings.HasSuffix(le.text, o.Turn.Answer) {
		w.fault("%s: the history gets %.40q and %.40q", le.m.ID, o.Turn.Question, o.Turn.Answer)
	}
	t.history = append(slices.Clone(t.history), *o.Turn)
	t.history = t.history[max(0, len(t.history)-historyTurns):]
}

// stops reports whether a message ends what is before it in its conversation.
func (le *letter) stops() bool { return le.m.Text == "/stop" || le.m.Text == "/forget" }

// forgot follows what a person had removed. The person is told the sum, whoever died in between.
func (l *ledger) forgot(c conversation.Claim, got conversation.Forgotten, err error) {
	w, t, le := l.w, l.talk(c.Key), l.letters[c.Message.ID]
	if err != nil {
		return
	}
	w.note(name(c.Key), "%s: forgotten for %s with fence %d: %+v", le.m.ID, c.Owner, c.Fence, got)
	if c.Fence != t.fence || le.m.Text != "/forget" || le.done {
		w.fault("%s had things forgotten with fence %d, and %d is the newest", le.m.ID, c.Fence, t.fence)
	}
	t.history, t.noted = nil, ""
	for _, other := range t.letters {
		if other.dead != "" && other.done && !other.forgot && other.m.User == le.m.User {
			other.forgot = true
			le.gone++
		}
	}
	if got.Letters != le.gone {
		w.fault("%s had %d dead letters forgotten, want %d", le.m.ID, got.Letters, le.gone)
	}
}

func (l *ledger) delivered(c conversation.Claim, no int, err error) {
	w, le := l.w, l.letters[c.Message.ID]
	if err != nil {
		w.note(name(c.Key), "%s: %s's delivered %d with fence %d: %v", le.m.ID, c.Owner, no, c.Fence, err)
		return
	}
	if !le.committed || no >= len(le.parts) {
		w.fault("%s: part %d was delivered, %d are committed", le.m.ID, no, len(le.parts))
		return
	}
	s := le.parts[no]
	if s.shown == 0 && !s.skipped {
		s.skipped = true
		why := s.reason(c.Key.Channel)
		w.note(name(c.Key), "%s: part %d is passed over: %s", le.m.ID, no, why)
		if why == "" {
			w.fault("%s: part %d was never shown, and nothing says why", le.m.ID, no)
		}
	}
	if no == len(le.parts)-1 {
		l.finish(le)
	}
}

// reason is why a part may be passed over that nobody saw.
func (s *sent) reason(channel string) string {
	again := resendFor
	if channel == "hook" {
		again = 0
	}
	switch {
	case s.refused:
		return "the platform refuses it for good"
	case !s.intended.IsZero() && time.Since(s.intended) >= again:
		return "its owner died or lost it when it was to be sent"
	case !s.doubt.IsZero() && time.Since(s.doubt) >= again:
		return "the platform may have shown it"
	}
	return ""
}

func (l *ledger) finish(le *letter) {
	le.done = true
	l.talk(le.m.Conversation).open = false
}

// part finds a committed part; nil: there is none.
func (l *ledger) part(id string, no int) *sent {
	if le := l.letters[id]; le != nil && no < len(le.parts) {
		return le.parts[no]
	}
	return nil
}

// refused notes that the platform refused a part for good. It takes the lock.
func (l *ledger) refused(id string, no int) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if s := l.part(id, no); s != nil {
		s.refused = true
	}
}

// maybe notes that nobody knows whether a part was shown. It takes the lock.
func (l *ledger) maybe(id string, no int) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if s := l.part(id, no); s != nil && s.doubt.IsZero() {
		s.doubt = time.Now()
	}
}

// shown notes what a person sees, unless the platform swallows it.
func (l *ledger) shown(m chat.Message, channel string, part chat.Part, pc piece, by string) {
	w, le, t := l.w, l.letters[m.ID], l.talk(m.Conversation)
	s := l.part(m.ID, pc.No)
	if s == nil || s.bytes != string(part) {
		w.fault("%s: %s shows part %d that was not committed", m.ID, by, pc.No)
		return
	}
	if channel != "hook" && s.shown > 0 {
		w.note(name(m.Conversation), "%s: part %d by %s is swallowed", m.ID, pc.No, by)
		return
	}
	s.shown++
	w.note(name(m.Conversation), "%s: part %d shown by %s", m.ID, pc.No, by)
	if s.shown > 1 {
		w.fault("%s: part %d was shown %d times", m.ID, pc.No, s.shown)
	}
	if s.skipped {
		return // it had been given up: the one exception to the order
	}
	if t.last != nil && (t.last.seq > le.seq || t.last == le && t.lastNo >= pc.No) {
		w.fault("%s: part %d was shown after %s's part %d", m.ID, pc.No, t.last.m.ID, t.lastNo)
	}
	t.last, t.lastNo = le, pc.No
}
