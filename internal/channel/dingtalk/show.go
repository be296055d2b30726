package dingtalk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// cardKept is how long it is remembered what became of a message's card.
	cardKept = 24 * time.Hour
	// cardsRest is how long no cards are made after the platform refused one for good (no permission, no template): everything goes out as plain
	// messages meanwhile, at no cost of a call in vain for each.
	cardsRest = 5 * time.Minute
	// patience is the longest wait that a reply takes for a card of which nobody has seen anything yet.
	patience = 10 * time.Second
	// more is shown at the end of what is too long for a card, until the parts come.
	more = "\n\n…"
)

// What is remembered of a message's card; nothing: none was begun.
const (
	cardBegun   = "card"    // it exists, or whoever wanted to make it died
	cardPlain   = "plain/"  // and the text's digest: it goes, or went, by a plain message instead; whether it was seen is not known
	cardRefused = "refused" // as above, and that message was certainly not seen
)

// rest is a pause. It is safe for concurrent use.
type rest struct {
	mu    sync.Mutex
	until time.Time
}

func (r *rest) from(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = t
}

func (r *rest) at(t time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return t.Before(r.until)
}

// Show implements channel.Streamer. An update that the platform has no room for is dropped with RateLimited: it is shown with the next one.
func (r *robot) Show(ctx context.Context, m chat.Message, text string) error {
	to := addressOf(m)
	texts := split(channel.TameMarkdown(text))
	if r.template == "" || !to.mayHave() || r.cards.at(r.now()) || len(texts) == 0 {
		return nil
	}
	shown := texts[0]
	if len(texts) > 1 {
		shown += more
	}
	state, err := r.recall(ctx, m)
	switch {
	case err != nil:
		return err
	case state == "":
		if err := r.begin(ctx, m, to, now); err != nil {
			if forGood(err) {
				r.refused(err, true)
			}
			return err
		}
	case state != cardBegun:
		return nil
	}
	return r.update(ctx, update{Track: r.track(m), GUID: rand.Text(), Key: r.variable, Text: shown, Full: true}, now)
}

// begin makes the card. That it is begun is written first: whoever ends it must know that it may be there.
func (r *robot) begin(ctx context.Context, m chat.Message, to address, most time.Duration) error {
	if err := r.api.budget.take(ctx, pathCreate, most); err != nil {
		return err
	}
	if err := r.remember(ctx, m, cardBegun); err != nil {
		return err
	}
	err := r.create(ctx, m, to)
	if forGood(err) {
		_ = r.remember(ctx, m, cardRefused) // else the reply asks once more
	}
	return err
}

// sendCard ends the message's card with the whole text, whoever began it; where there is none it makes one. What cannot be a card goes out as a
// plain message.
func (r *robot) sendCard(ctx context.Context, m chat.Message, p part) error {
	to := addressOf(m)
	state, err := r.recall(ctx, m)
	switch {
	case err != nil:
		return err
	case state == plainly(p.Text):
		r.log.Warn("dingtalk: a reply went out without its card and may or may not have been shown; it is not sent again", "tenant", r.tenant, "channel", r.name)
		return nil
	case state != "" && state != cardBegun, state == "" && (!to.mayHave() || r.cards.at(r.now())):
		return r.sendPlain(ctx, m, to, p)
	}
	err = r.finish(ctx, m, to, p.Text, state == cardBegun)
	e, ok := errors.AsType[*chat.Error](err)
	impatient := ok && state == "" && !e.Maybe && e.RetryAfter > patience
	if !forGood(err) && !impatient {
		return err
	}
	r.refused(err, state == "")
	if err := r.sendPlain(ctx, m, to, p); err != nil || state == "" {
		return err
	}
	// Nobody should look at a card that is being written for ever.
	_ = r.update(ctx, update{Track: r.track(m), GUID: rand.Text(), Key: r.variable, Full: true, End: true, Error: true}, time.Second)
	return nil
}

// finish writes a card's last state.
func (r *robot) finish(ctx context.Context, m chat.Message, to address, text string, begun bool) error {
	track, sum := r.track(m), sha256.Sum256([]byte(text))
	last := update{Track: track, GUID: track + hex.EncodeToString(sum[:8]), Key: r.variable, Text: text, Full: true, End: true}
	if begun {
		// Whoever wrote that it begins may have died before it did: then the platform knows no such card.
		err := r.update(ctx, last, later)
		if kind := chat.KindOf(err); err == nil || !forGood(err) || kind != chat.Invalid && kind != chat.NotFound {
			return err
		}
	}
	if err := r.begin(ctx, m, to, later); err != nil {
		return err
	}
	return r.update(ctx, last, later)
}

// plainly is what is remembered of a text that goes by a plain message. Another text is another reply: an operator had the message answered again.
func plainly(text string) string {
	sum := sha256.Sum256([]byte(text))
	return cardPlain + hex.EncodeToString(sum[:8])
}

// sendPlain sends in place of a card. What is not known to be unseen is not sent again, by nobody.
func (r *robot) sendPlain(ctx context.Context, m chat.Message, to address, p part) error {
	if err := r.remember(ctx, m, plainly(p.Text)); err != nil {
		return err
	}
	p.Kind = partMarkdown
	r.metrics.plainCards.Inc()
	err := r.sendText(ctx, to, p)
	if e, ok := errors.AsType[*chat.Error](err); ok && !e.Maybe {
		if err := r.remember(ctx, m, cardRefused); err != nil {
			r.log.Error("dingtalk: a reply may be lost: what became of it cannot be noted", "tenant", r.tenant, "channel", r.name, "err", err)
		}
	}
	return err
}

// refused says why a card is replaced. Where others would be refused, too (fresh: it was this one's first call), cards rest, and that is said once.
func (r *robot) refused(err error, fresh bool) {
	e, ok := errors.AsType[*chat.Error](err)
	if now := r.now(); ok && (fresh && e.Code != notDelivered || e.Kind == chat.Forbidden || e.Kind == chat.Unauthenticated) {
		if r.cards.at(now) {
			return
		}
		r.cards.from(now.Add(cardsRest))
		r.log.Error("dingtalk: the platform refuses AI cards; replies go out as plain messages for a while",
			"tenant", r.tenant, "channel", r.name, "for", cardsRest, "err", err)
		return
	}
	r.log.Warn("dingtalk: the platform refuses a reply's AI card; it goes out as a plain message", "tenant", r.tenant, "channel", r.name, "err", err)
}

func (r *robot) recall(ctx context.Context, m chat.Message) (string, error) {
	state, err := r.memo.Recall(ctx, r.key("card", m.ID))
	if err != nil {
		return "", chat.E(chat.Unavailable, "dingtalk.card", err)
	}
	return state, nil
}

func (r *robot) remember(ctx context.Context, m chat.Message, state string) error {
	if err := r.memo.Remember(ctx, r.key("card", m.ID), state, cardKept); err != nil {
		return chat.E(chat.Unavailable, "dingtalk.card", err)
	}
	return nil
}
