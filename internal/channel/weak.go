package channel

import (
	"fmt"
	"unicode/utf8"

	"parley/internal/chat"
)

// leastKey is how many characters a key must have that whoever reaches the entry may try.
const leastKey = 16

// JudgeKey judges a key that we gave out and that anybody may try to guess: a short one is a fault when the document is checked. One in use is a
// warning only, because an upgrade must not stop a company.
func JudgeKey(s Settings, d Deps, field string, key chat.Secret) {
	n := utf8.RuneCountInString(key.Reveal())
	if key.IsZero() || n >= leastKey {
		return
	}
	what := fmt.Sprintf("one has %d characters, so that it can be guessed: at least %d are needed; make one with openssl rand -hex 24", n, leastKey)
	if d.Checking {
		s.Faultf(field, "%s", what)
	} else if d.Log != nil {
		d.Log.Warn("a key can be guessed", "tenant", s.Tenant(), "channel", s.Name(), "field", field, "error", what)
	}
}
