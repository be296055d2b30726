package conversation

import (
	"errors"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

// tally gathers what a claim of a message spends, over all its tries, and knows what of that the store has counted.
type tally struct {
	user  string // hashed
	what  chat.Errand
	spent []chat.Spend
	open  *chat.Start // a call that began, and whose cost nobody has told
	told  bool        // the server of this try tells what calls cost

	prompt int                      // what this try sends, by estimate, in tokens
	keys   map[string][]chat.Secret // the tenant's own, at this try

	reserved *Reservation // what was set aside under the day's caps, last; nil: nothing
	held     time.Time    // until when
	settled  bool
	counted  bool // with the commit, or after it
}

func newTally(c *Claim, api bool) *tally {
	return &tally{user: userID(c), what: chat.Errand{Channel: c.Key.Channel, Turn: turnID(c), Attempt: c.Attempt, API: api}}
}

// spend notes what a call has cost.
func (t *tally) spend(s chat.Spend) {
	s.For = t.what
	s.For.At = time.Now()
	t.spent = append(t.spent, s)
}

// begin starts a try. Nothing here keeps the request: it is large, and the try may take minutes.
func (t *tally) begin(req chat.Request) {
	t.open, t.told = nil, false
	t.prompt, t.keys = promptTokens(req), req.Keys
}

// event takes an event of the completion.
func (t *tally) event(e chat.Event) {
	switch e.Kind {
	case chat.Started:
		t.open = &e.Start
	case chat.Spent:
		t.open, t.told = nil, true
		t.spend(e.Spend)
	default:
	}
}

// end ends a try. Older servers tell the cost with the answer only. A try that was cut off, by the person or with its server, has cost what
// was sent and what came back until then: that is estimated.
func (t *tally) end(reply chat.Reply, err error, cut bool, partial string) {
	if err == nil {
		if !t.told {
			t.spend(chat.Spend{
				Provider: reply.Provider, Model: reply.Model, Own: len(t.keys[reply.Provider]) > 0, Usage: reply.Usage,
			})
		}
		return
	}
	e, ok := errors.AsType[*chat.Error](err)
	cut = cut || ok && e.Code == chat.CodeInstance && e.Kind != chat.Overloaded
	if t.open != nil && cut {
		t.spend(chat.Spend{
			Provider: t.open.Provider, Model: t.open.Model, Own: len(t.keys[t.open.Provider]) > 0,
			Usage: chat.Usage{Input: t.prompt, Output: estimateTokens(partial), Estimated: true},
		})
	}
}

// sum is what counts against caps.
func (t *tally) sum() (n int) {
	for _, tokens := range Itemize(t.spent) {
		n += tokens.Sum()
	}
	return n
}

// unfinished reports whether the store is still to be told something.
func (t *tally) unfinished() bool {
	return !t.counted && len(t.spent) > 0 || t.reserved != nil && !t.settled
}

// perMessage is what the form of a message costs beside its text, in tokens.
const perMessage = 3

// perPicture is what a picture is thought to cost; the provider's usage says what it did.
const perPicture = 1105

// promptTokens estimates what is sent to a provider for a request. Texts that a server counted before are not counted again.
func promptTokens(req chat.Request) int {
	known := func(n int, text string) int {
		if n == 0 {
			n = estimateTokens(text)
		}
		return n + perMessage
	}
	n := known(0, req.System) + known(0, req.Question) + len(req.Images)*perPicture
	for _, t := range req.History {
		n += known(t.QuestionTokens, t.Question) + known(t.AnswerTokens, t.Answer)
	}
	if req.MaxPrompt > 0 {
		n = min(n, req.MaxPrompt) // the server cuts the history
	}
	return n
}

// estimateTokens estimates without a vocabulary, which is the servers': four ASCII characters a token, or 0.7 tokens any other.
func estimateTokens(text string) int {
	ascii, other := 0, 0
	for _, r := range text {
		if r < utf8.RuneSelf {
			ascii++
		} else {
			other++
		}
	}
	return (ascii+3)/4 + (other*7+9)/10
}
