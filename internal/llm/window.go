package llm

import (
	"fmt"
	"slices"

	"parley/internal/chat"
	"parley/internal/route"
)

// prompt is a request cut to a model's window.
type prompt struct {
	history []chat.Turn
	tokens  int // of all that is sent, by Parley's own count
	output  int // the most that the answer may take; 0: the provider's default
}

const (
	// defaultAnswer is the room kept for an answer whose length the request does not bound, in tokens.
	defaultAnswer = 4096
	// maxTokenBytes is a generous mean length of tokens: a longer text is too large without counting, which costs time.
	maxTokenBytes = 16
)

// reserve is the room kept for the answer: what was asked for, at most half of the window, a quarter without a wish.
func reserve(window, wish int) int {
	if wish > 0 {
		return min(wish, window/2)
	}
	return min(defaultAnswer, window/4)
}

// fit cuts the history to the window and to the request's own bound: whole turns, the newest kept, without gaps. question is its token count. A
// question that leaves no room for an answer, or is over the bound by itself, is TooLarge. The answer is bounded by what the request allows
// and by what the window leaves, since a provider refuses a call that asks for more than both.
func (c *counter) fit(req chat.Request, ch route.Choice, question int) (prompt, error) {
	f := familyOf(ch.Model)
	p := prompt{tokens: f.bound(req.Question, question) + perMessage + perReply + len(req.Images)*perImage}
	if req.System != "" {
		p.tokens += f.bound(req.System, c.system(req.System)) + perMessage
	}
	room := ch.Window - reserve(ch.Window, req.MaxOutput)
	if req.MaxPrompt > 0 && req.MaxPrompt < room {
		room = req.MaxPrompt
		if p.tokens > room {
			return p, chat.E(chat.TooLarge, opComplete, fmt.Errorf("the question has about %d tokens with the system prompt; the tenant's limit is %d",
				p.tokens, room))
		}
	}
	if p.tokens > room {
		return p, chat.E(chat.TooLarge, opComplete, fmt.Errorf("the question has about %d tokens with the system prompt; %s takes %d beside its answer",
			p.tokens, ch.Model, room))
	}
	from, whole := len(req.History), true
	for from > 0 {
		t := &req.History[from-1]
		if t.Question == "" || t.Answer == "" {
			whole = false
		} else {
			n := c.turn(f, t)
			if p.tokens+n > room {
				break
			}
			p.tokens += n
		}
		from--
	}
	p.history = req.History[from:]
	if !whole { // a turn without one of its halves would make two messages of one role follow each other
		p.history = slices.DeleteFunc(slices.Clone(p.history), func(t chat.Turn) bool { return t.Question == "" || t.Answer == "" })
	}
	if req.MaxOutput > 0 {
		p.output = min(req.MaxOutput, ch.Window-p.tokens)
	}
	return p, nil
}

// countQuestion counts a question unless its size alone forbids every window, or the request's own bound.
func (c *counter) countQuestion(req chat.Request, choices []route.Choice) (int, error) {
	widest := 0
	for _, ch := range choices {
		widest = max(widest, ch.Window)
	}
	if req.MaxPrompt > 0 {
		widest = min(widest, req.MaxPrompt)
	}
	if n := len(req.Question); n > widest*maxTokenBytes {
		return 0, chat.E(chat.TooLarge, opComplete, fmt.Errorf("the question has %d bytes; no more than %d tokens may be sent", n, widest))
	}
	return c.count(req.Question), nil
}
