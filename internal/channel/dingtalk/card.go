package dingtalk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
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
	// notDelivered is the code of a card that was made and could not be put into its chat.
	notDelivered = "notDelivered"
	// more is shown at the end of what is too long for a card, until the parts come.
	more = "\n\n…"
)

// What is remembered of a message's card; nothing: none was begun.
const (
	cardBegun   = "card"    // it exists, or whoever wanted to make it died
	cardPlain   = "plain"   // the reply goes, or went, by a plain message instead; whether it was seen is not known
	cardRefused = "refused" // as above, and that message was certainly not seen
)

// creation makes a card and puts it into a chat (document "create and deliver cards").
type creation struct {
	Template string   `json:"cardTemplateId"`
	Track    string   `json:"outTrackId"`
	Data     cardData `json:"cardData"`
	Callback string   `json:"callbackType"`
	Space    string   `json:"openSpaceId"`
	IDs      int      `json:"userIdType"` // 1: userId

	Group        *space        `json:"imGroupOpenSpaceModel,omitempty"`
	DeliverGroup *deliverGroup `json:"imGroupOpenDeliverModel,omitempty"`
	Robot        *space        `json:"imRobotOpenSpaceModel,omitempty"`
	DeliverRobot *deliverRobot `json:"imRobotOpenDeliverModel,omitempty"`
}

type cardData struct {
	Params map[string]string `json:"cardParamMap"`
}

type space struct {
	Forward bool `json:"supportForward"`
}

type deliverGroup struct {
	Robot string            `json:"robotCode"`
	At    map[string]string `json:"atUserIds,omitempty"` // userId: what is shown behind the @
}

type deliverRobot struct {
	Space string `json:"spaceType"`
	Robot string `json:"robotCode"`
}

// update is one state of a card's text (document "AI card streaming update").
type update struct {
	Track string `json:"outTrackId"`
	GUID  string `json:"guid"` // the platform takes an update once
	Key   string `json:"key"`
	Text  string `json:"content"`
	Full  bool   `json:"isFull"`
	End   bool   `json:"isFinalize"`
	Error bool   `json:"isError"`
}

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

// track is the card's own id: the same for a message on every replica, so that who takes a turn over finds what was begun.
func (r *robot) track(m chat.Message) string {
	sum := sha256.Sum256([]byte(r.tenant + "\x00" + r.name + "\x00" + m.ID))
	return "parley-" + hex.EncodeToString(sum[:20])
}

// mayHave reports whether a card can be put into the message's chat: into a single one by the person's userId alone.
func (a address) mayHave() bool { return a.Group != "" || a.Staff != "" }

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

func (r *robot) create(ctx context.Context, m chat.Message, to address) error {
	q := creation{
		Template: r.template, Track: r.track(m), Data: cardData{map[string]string{r.variable: ""}}, Callback: "STREAM", IDs: 1,
		Space: "dtv1.card//IM_ROBOT." + to.Staff, Robot: &space{true}, DeliverRobot: &deliverRobot{"IM_ROBOT", r.code},
	}
	if to.Group != "" {
		q.Space, q.Robot, q.DeliverRobot = "dtv1.card//IM_GROUP."+to.Group, nil, nil
		q.Group, q.DeliverGroup = &space{true}, &deliverGroup{Robot: r.code}
		if to.Staff != "" {
			q.DeliverGroup.At = map[string]string{to.Staff: to.Nick}
		}
	}
	var made struct {
		Success bool `json:"success"`
		Result  struct {
			Delivered []struct {
				Success bool   `json:"success"`
				Error   string `json:"errorMsg"`
			} `json:"deliverResults"`
		} `json:"result"`
	}
	if err := r.api.call(ctx, http.MethodPost, pathCreate, q, &made, taken); err != nil {
		return err
	}
	if !made.Success {
		return foreign(opOf(pathCreate))
	}
	for _, d := range made.Result.Delivered {
		if !d.Success {
			e := chat.E(chat.Invalid, opOf(pathCreate), errors.New("not delivered: "+channel.Printable(d.Error)))
			e.Code = notDelivered
			return e
		}
	}
	return nil
}

func (r *robot) update(ctx context.Context, u update, most time.Duration) error {
	var done struct {
		Success bool `json:"success"`
	}
	if err := r.api.call(ctx, http.MethodPut, pathStream, u, &done, most); err != nil {
		return err
	}
	if !done.Success {
		return foreign(opOf(pathStream))
	}
	return nil
}

// sendCard ends the message's card with the whole text, whoever began it; where there is none it makes one. What cannot be a card goes out as a
// plain message.
func (r *robot) sendCard(ctx context.Context, m chat.Message, p part) error {
	to := addressOf(m)
	state, err := r.recall(ctx, m)
	switch {
	case err != nil:
		return err
	case state == cardPlain:
		r.log.Warn("dingtalk: a reply went out without its card and may or may not have been shown; it is not sent again", "tenant", r.tenant, "channel", r.name)
		return nil
	case state == cardRefused, state == "" && (!to.mayHave() || r.cards.at(r.now())):
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

// sendPlain sends in place of a card. What is not known to be unseen is not sent again, by nobody.
func (r *robot) sendPlain(ctx context.Context, m chat.Message, to address, p part) error {
	if err := r.remember(ctx, m, cardPlain); err != nil {
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
