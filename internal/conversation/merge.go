package conversation

import (
	"slices"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

const (
	// maxMerged bounds a merged message's text in characters where the tenant does not bound messages.
	maxMerged = 8000
	// mergeFor is how long a message takes others in at most: it keeps its time, and who is put into an old one would be late with it.
	mergeFor = 2 * time.Minute
)

// merging tells the store how to put a message into the one before it, where the tenant wants that: a person who writes in several pieces while an
// earlier message is being answered gets one answer to all of them. nil: it stands for itself.
func merging(t *chat.Tenant, m chat.Message) func(Waiting) (chat.Message, bool) {
	if !t.Merge || !mergeable(m) {
		return nil
	}
	most := t.Limits.MaxInput
	if most <= 0 {
		most = maxMerged
	}
	soon := mergeFor
	if t.Limits.MaxWait > 0 {
		soon = min(soon, t.Limits.MaxWait/2)
	}
	return func(last Waiting) (chat.Message, bool) {
		l := last.Message
		images := slices.Concat(l.Images, m.Images)
		apart := last.Age(time.Now()) > soon || last.Shed != NotShed || last.Stops || !mergeable(l) || l.User != m.User
		if apart || len(images) > chat.MaxImages || utf8.RuneCountInString(l.Text)+1+utf8.RuneCountInString(m.Text) > most {
			return m, false
		}
		merged := m // the reply goes where the newest came from
		merged.Text, merged.Images, merged.Trace = l.Text+"\n"+m.Text, images, l.Trace
		if l.Text == "" || m.Text == "" {
			merged.Text = l.Text + m.Text
		}
		return merged, true
	}
}

// mergeable says that a message is a plain question. One that quotes is about what it quotes.
func mergeable(m chat.Message) bool {
	return m.Kind == chat.KindText && !m.Alone && m.Quote == "" && m.Once == "" && parseCommand(m.Text).name == "" && asks(m)
}
