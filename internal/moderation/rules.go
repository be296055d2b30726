package moderation

import (
	"context"
	"net/http"
	"time"

	"parley/internal/chat"
)

// What becomes of a text, as verdicts and metrics have it.
const (
	allowed      = "allowed"
	refused      = "refused"
	replaced     = "replaced"
	failedOpen   = "failed_open"
	failedClosed = "failed_closed"

	byWords = "words"
	byHook  = "hook"
)

// Rules are a tenant's, compiled. They implement chat.Moderator.
type Rules struct {
	words *Words
	on    chat.Directions
	hook  *hook
}

// New compiles what a tenant's document says; c calls its hook. nil for nil: nothing is judged.
func New(m *chat.Moderation, c *http.Client) *Rules {
	if m == nil {
		return nil
	}
	r := &Rules{on: m.On}
	if len(m.Words) > 0 {
		r.words = NewWords(m.Words)
	}
	if m.Hook != nil {
		r.hook = &hook{Hook: *m.Hook, client: noRedirects(c), now: time.Now}
	}
	return r
}

// Judge implements chat.Moderator. The list comes first: what it refuses the hook never sees.
func (r *Rules) Judge(ctx context.Context, p chat.Passage) (v chat.Verdict) {
	if r.words != nil && r.on.Has(p.Direction) {
		v = chat.Verdict{By: byWords, Result: allowed}
		if r.words.Found(p.Text) {
			return chat.Verdict{Refused: true, By: byWords, Result: refused}
		}
	}
	if r.hook == nil || !r.hook.On.Has(p.Direction) {
		return v
	}
	v = r.hook.judge(ctx, p)
	if v.Replace != nil && r.words != nil && r.on.Has(p.Direction) && r.words.Found(*v.Replace) {
		return chat.Verdict{Refused: true, By: byWords, Result: refused}
	}
	return v
}

// Filter implements chat.Moderator.
func (r *Rules) Filter() chat.Filter {
	switch {
	case r.hook != nil && r.hook.On.Output:
		return nothing{}
	case r.words != nil && r.on.Output:
		return r.words.Stream()
	default:
		return nil
	}
}

// nothing lets nothing through: the hook judges whole answers.
type nothing struct{}

func (nothing) Add(string) (string, bool) { return "", false }
func (nothing) End() (string, bool)       { return "", false }
