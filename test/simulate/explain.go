package simulate

import (
	"strings"
	"time"

	"parley/internal/conversation"
)

// explain checks that a message deserved its reply.
func (l *ledger) explain(c conversation.Claim, o conversation.Outcome, t *talk, le *letter) {
	w, kind := l.w, kindOf(le.text)
	ended := func(words ...string) bool {
		for _, ca := range le.calls {
			for _, word := range words {
				if strings.Contains(ca.end, word) {
					return true
				}
			}
		}
		return false
	}
	failed := 0 // servers, one after the other
	for _, ca := range le.calls {
		if strings.Contains(ca.end, "unavailable instance") {
			failed++
		}
	}
	age, limits := time.Since(le.at), w.tenants[c.Key.Tenant].Limits
	ok := false
	switch kind {
	case "answer":
		l.explainAnswer(c, o, t, le)
		return
	case "":
		ok = o.Dead != ""
	case "failed":
		ok = o.Dead == "attempts" && le.claims > 3 || ended("internal", "billing") || failed >= 7
	case "timeout":
		ok = ended("timeout") || time.Since(le.claimed) >= turnFor
	case "rejected":
		ok = ended("rejected")
	case "busy":
		ok = le.shed == conversation.ShedBusy || ended("rate_limited", "overloaded")
	case "rate":
		ok = le.shed == conversation.ShedRate
	case "late":
		ok = limits.MaxWait > 0 && age >= limits.MaxWait-time.Second
	case "stopped":
		for _, other := range t.letters {
			ok = ok || other.stops() && other.seq > le.seq
		}
	case "stop_done", "stop_none":
		ok = le.m.Text == "/stop"
	case "reset", "status", "forget":
		ok = le.m.Text == "/"+kind
	case "unsupported":
		ok = le.m.Kind == "unsupported"
	case "too_long":
		ok = len(le.m.Text) > limits.MaxInput
	case "cap_user", "cap_tenant":
		ok = limits.TokensPerDay > 0
	}
	if !ok {
		w.fault("%s (%.20q, %d claims, %v old) got %.60q, and nothing says why", le.m.ID, le.m.Text, le.claims, age, le.text)
	}
}

// explainAnswer checks that an answer is the message's own, whole, from who had to give it, and that the person is told of a switch once.
func (l *ledger) explainAnswer(c conversation.Claim, o conversation.Outcome, t *talk, le *letter) {
	w, ca := l.w, l.answer(le.text)
	switch {
	case ca == nil || !strings.HasPrefix(ca.id, le.m.ID+"."):
		w.fault("%s got the answer of another: %.60q", le.m.ID, le.text)
		return
	case preface.ReplaceAllString(le.text, "") != ca.text || ca.end != "":
		w.fault("%s got %q, and the server said %q and %s", le.m.ID, le.text, ca.text, ca.end)
	case c.Stopped || le.shed != conversation.NotShed:
		w.fault("%s was answered, and was stopped %v or shed %q", le.m.ID, c.Stopped, le.shed)
	case w.tenants[c.Key.Tenant].Limits.MaxWait < c.Message.Age(c.Now):
		w.fault("%s was answered after %v in the mailbox", le.m.ID, c.Message.Age(c.Now))
	case o.Turn == nil || o.Turn.Answer != ca.text:
		w.fault("%s was answered, and the history gets %v", le.m.ID, o.Turn)
	case ca.history != len(t.history):
		w.fault("%s was asked with %d turns of history, and there are %d", le.m.ID, ca.history, len(t.history))
	}
	want := ""
	if ca.start.Degraded && t.noted != ca.start.Provider {
		want = ca.start.Model
	}
	if said := preface.FindStringSubmatch(le.text)[2]; said != want {
		w.fault("%s: the person is told of the switch to %q, want %q", le.m.ID, said, want)
	}
}
