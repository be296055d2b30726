package conversation

import (
	"context"
	"strconv"
	"time"

	"parley/internal/chat"
)

// KeepMailbox is how long a mailbox is kept that takes no message in and that nobody answers. Then its messages are forgotten, and counted in
// Stats.Ended. It is part of the stored format.
const KeepMailbox = 7 * 24 * time.Hour

// Nobody is whose usage becomes that of people who asked to be forgotten.
const Nobody = "forgotten"

// Forgotten is what a conversation's message had removed, by all its attempts together.
type Forgotten struct {
	Turns   int // of the history
	Shown   int // parts of replies that a page may still have fetched
	Letters int // dead letters of the person in this conversation
	Days    int // on which the person's usage became [Nobody]'s
}

// Forgetting is that a message had removed what was kept of its person, whom it does not name.
type Forgetting struct {
	Tenant, Channel, Turn string
	Forgotten
}

// Attrs are what a log line says of it.
func (f Forgetting) Attrs() []any {
	return []any{"action", "forget", "tenant", f.Tenant, "channel", f.Channel, "turn", f.Turn,
		"turns", f.Turns, "shown", f.Shown, "dead_letters", f.Letters, "days_of_usage", f.Days}
}

// forget removes what is kept of a person in a conversation, and tells them what that was. Its error is a cause that ends a turn without an
// outcome.
func (s *Service) forget(ctx context.Context, t *chat.Tenant, c *Claim) (*result, error) {
	began := time.Now()
	gone, err := insist(ctx, s, "forget", func(ctx context.Context) (Forgotten, error) { return s.Store.Forget(ctx, *c, userID(c)) })
	s.metrics.step("forget", began)
	if err != nil {
		return nil, err
	}
	s.Forgot(ctx, Forgetting{t.Name, c.Key.Channel, turnID(c), gone})
	reply := text(t, "forget", "turns", strconv.Itoa(gone.Turns), "shown", strconv.Itoa(gone.Shown), "letters", strconv.Itoa(gone.Letters),
		"days", strconv.Itoa(gone.Days), "until", inBeijing(c.Now.Add(dedupeFor)))
	if t.Limits.TokensPerDay > 0 || t.Limits.UserPerDay > 0 {
		reply += "\n" + text(t, "forget_cap", "until", inBeijing((DayOf(c.Now)+1).Ends()))
	}
	return &result{text: reply, result: "command", out: Outcome{Reset: true}}, nil
}

func inBeijing(t time.Time) string {
	return t.In(Day(0).Begins().Location()).Format("2006-01-02 15:04")
}
