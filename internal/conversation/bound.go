package conversation

import (
	"unicode/utf8"

	"parley/internal/chat"
)

// MaxLive bounds a live text, in bytes: it is written again and again, and the whole answer comes as the reply's parts anyway.
const MaxLive = 64 << 10

// BoundLive cuts a live text at its end to MaxLive, between two characters. Every LiveWriter applies it.
func BoundLive(l chat.Live) chat.Live {
	if len(l.Text) <= MaxLive {
		return l
	}
	n := MaxLive
	for n > 0 && !utf8.RuneStart(l.Text[n]) {
		n--
	}
	l.Text = l.Text[:n]
	return l
}
