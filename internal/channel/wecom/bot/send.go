package bot

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// The states of what the platform takes once, kept before and after each try: it does not say which it took.
const (
	tried   = "tried"   // it may have been taken
	pushed  = "pushed"  // it may have been taken as a message of its own (stream mode)
	refused = "refused" // it certainly was not
	taken   = "taken"
)

// decideEvery is how often it is looked whether the platform has fetched an answer.
const decideEvery = 200 * time.Millisecond

// Parts implements channel.Channel: one part. What does not fit into the stream goes out by response_url, once; what does not fit there either is cut.
func (c *Callback) Parts(_ chat.Message, text string, _ int64) ([]chat.Part, error) {
	text, err := c.readable(text)
	if err != nil {
		return nil, err
	}
	const room = 2*maxText - 1000 // for notes, and for fences that a cut closes and opens again
	if len(text) > room {
		text = channel.Split(text, room)[0] + "\n\n" + c.words.cut
	}
	p, err := encodePart(part{Text: text})
	return []chat.Part{p}, err
}

// Resendable implements channel.Channel: who shows an answer is decided once, and a response_url works once.
func (c *Callback) Resendable(age time.Duration) bool { return age < respondFor }

// Send implements channel.Channel. It leaves the answer for the platform to fetch and waits for that; when nobody comes, or the stream is over, it sends
// it by response_url.
func (c *Callback) Send(ctx context.Context, m chat.Message, raw chat.Part) error {
	to, err := decodeAddress(m)
	if err != nil {
		return err
	}
	p, err := decodePart(raw)
	if err != nil {
		return err
	}
	first, rest := beginning(p.Text, c.words.goesOn)
	if to.URL == "" {
		first, _ = beginning(p.Text, c.words.cut)
		rest = ""
	}
	by, err := c.leave(ctx, to, first)
	if err != nil {
		return err
	}
	if by == byPoll {
		if rest == "" {
			return nil
		}
		return c.respond(ctx, to, rest)
	}
	return c.respond(ctx, to, p.Text)
}

// leave puts the answer where polls find it and tells how it reaches the person.
func (c *Callback) leave(ctx context.Context, to address, final string) (by string, err error) {
	const op = "wecombot.send"
	if by, err = c.memo.Recall(ctx, c.key(to.Stream, "by")); by != "" || err != nil {
		return by, err
	}
	// For as long as the platform may ask.
	if err := c.memo.Remember(ctx, c.finalKey(to.Stream), final, c.window+time.Minute); err != nil {
		return "", err
	}
	wait := time.NewTimer(c.fetch)
	defer wait.Stop()
	look := time.NewTicker(decideEvery)
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case <-look.C:
			if by, err = c.memo.Recall(ctx, c.key(to.Stream, "by")); by != "" || err != nil {
				return by, err
			}
		case <-wait.C:
			waiting = false
		case <-ctx.Done():
			return "", chat.E(chat.KindOf(ctx.Err()), op, ctx.Err())
		}
	}
	if to.URL == "" && !c.over(to.began()) { // there is no other way: the platform may still come
		e := chat.E(chat.Unavailable, op, errors.New("the platform does not fetch the answer, and the message has no response_url to send it by"))
		e.RetryAfter = 3 * time.Second
		return "", e
	}
	return c.memo.RememberFirst(ctx, c.key(to.Stream, "by"), bySend, keepFor)
}

// respond sends text by the message's response_url.
func (c *Callback) respond(ctx context.Context, to address, text string) error {
	const op = "wecombot.send"
	switch {
	case to.URL == "":
		return chat.E(chat.NotFound, op, errors.New("the stream is over, and the message has no response_url"))
	case c.now().Sub(to.began()) > time.Hour:
		return chat.E(chat.NotFound, op, errors.New("the stream is over, and the message's response_url has expired"))
	}
	fits, _ := beginning(text, c.words.cut)
	body, err := encode(markdownOf(fits))
	if err != nil {
		return chat.E(chat.Internal, op, err)
	}
	return c.once(ctx, to.Stream, func() error { return c.responder.Post(ctx, to.URL, body) })
}

// once makes a request that the platform takes once. A refusal after a try whose answer was lost says that the platform had taken that one.
func (b *aiBot) once(ctx context.Context, id string, do func() error) error {
	before, err := b.before(ctx, id)
	if err != nil || before == taken {
		return err
	}
	err = do()
	if before == tried && forGood(err) {
		err = nil
	}
	b.after(ctx, id, before, err)
	return err
}

// before tells what became of earlier tries, and keeps that there is one more. Of two that try at once one is earlier.
func (b *aiBot) before(ctx context.Context, id string) (state string, err error) {
	key, mine := b.key(id, "sent"), tried+":"+rand.Text()
	kept, err := b.memo.RememberFirst(ctx, key, mine, keepFor)
	if err != nil || kept == mine {
		return "", err
	}
	if state, _, _ = strings.Cut(kept, ":"); state == refused {
		err = b.memo.Remember(ctx, key, mine, keepFor)
	}
	return state, err
}

// after keeps what became of a try: taken, or, if no earlier one may have been, certainly refused.
func (b *aiBot) after(ctx context.Context, id, before string, err error) {
	state := taken
	if e, failed := errors.AsType[*chat.Error](err); failed {
		if state = refused; e.Maybe || before == tried || before == pushed {
			return
		}
	}
	if err := b.memo.Remember(context.WithoutCancel(ctx), b.key(id, "sent"), state, keepFor); err != nil {
		b.log.Warn("wecombot: what became of an answer cannot be kept", "err", err)
	}
}

// forGood says whether the platform refused, and would again, for what it was asked and not for who asked.
func forGood(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && !e.Maybe && (e.Kind == chat.Invalid || e.Kind == chat.NotFound || e.Kind == chat.Internal)
}
