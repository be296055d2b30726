package feishu

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// cardKept is how long it is remembered what became of a message's card: longer than replies are kept.
	cardKept = 25 * time.Hour
	// cardsRest is how long no cards are made after the platform refused one for good (no permission): everything goes out at once meanwhile, without
	// a call in vain for each.
	cardsRest = 5 * time.Minute
	// streamFor is how long a card is written into: the platform ends that after 10 min, and drops what comes later without a word. The last text does
	// not depend on it.
	streamFor = 9*time.Minute + 30*time.Second
	// tick is the unit of a card's sequence, which must rise over all replicas and so counts the time since the card was made.
	tick = 10 * time.Millisecond
)

// state is what is remembered of a message's card. Without a card: the reply goes, or went, as a message of its own.
type state struct {
	Card   string `json:"card,omitempty"`
	Made   int64  `json:"made,omitempty"`   // ms
	Posted bool   `json:"posted,omitempty"` // it stands in the chat
}

// sequence is higher than all that were given to the card before, on any replica whose clock is right, and lower than those that end it.
func (s state) sequence(now time.Time) int64 {
	return max(1, now.Sub(time.UnixMilli(s.Made)).Milliseconds()/tick.Milliseconds())
}

// leads are what the last sequences are ahead of the time: nothing that was under way may follow them. The greater ones are for clocks that
// are far apart.
func leads() []int64 { return []int64{1_000, 100_000, 10_000_000} }

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
func (b *bot) Show(ctx context.Context, m chat.Message, text string) error {
	to := addressOf(m)
	texts := split(tame(text))
	if !b.cards || to.Message == "" || b.rest.at(b.now()) || len(texts) == 0 {
		return nil
	}
	shown := to.mention() + texts[0]
	if len(texts) > 1 {
		shown += more
	}
	s, known, err := b.recall(ctx, m)
	if err == nil && !known {
		s, err = b.begin(ctx, m, shown)
	}
	switch {
	case err != nil || s.Card == "":
		return err
	case !s.Posted:
		return b.postCard(ctx, m, to, s, now)
	case b.now().Sub(time.UnixMilli(s.Made)) > streamFor:
		return nil
	}
	err = b.api.call(ctx, request{
		api: "content", method: http.MethodPut, path: cardPath(s.Card) + "/elements/" + elementAnswer + "/content",
		in: map[string]any{"content": shown, "sequence": s.sequence(b.now())}, most: now,
	})
	if is(err, codeSequence, codeEnded, codeTooOld) { // somebody else writes, or it has ended
		return nil
	}
	return err
}

func cardPath(id string) string { return pathCards + "/" + url.PathEscape(id) }

// begin makes a card that holds text already, and remembers it: of several replicas' one wins. Nobody sees it yet.
func (b *bot) begin(ctx context.Context, m chat.Message, text string) (s state, err error) {
	data, err := encode(newCard(text, true))
	if err != nil {
		return s, chat.E(chat.Internal, "feishu.card", err)
	}
	var got struct {
		Card string `json:"card_id"`
	}
	s.Made = b.now().UnixMilli()
	err = b.api.call(ctx, request{
		api: "card", method: http.MethodPost, path: pathCards, in: map[string]string{"type": "card_json", "data": string(data)}, out: &got, most: now,
	})
	if err == nil && !isID(got.Card) {
		err = chat.E(chat.Unavailable, "feishu.card", errors.New("the answer holds no card_id"))
	}
	if err != nil {
		b.refused(err)
		return state{}, err
	}
	s.Card = got.Card
	return b.first(ctx, m, s)
}

// postCard puts the card into the chat. Its uuid is the message's own: whoever takes the turn over may do so again.
func (b *bot) postCard(ctx context.Context, m chat.Message, to address, s state, most time.Duration) error {
	content, err := encode(map[string]any{"type": "card", "data": map[string]string{"card_id": s.Card}})
	if err != nil {
		return chat.E(chat.Internal, "feishu.card", err)
	}
	if err := b.post(ctx, to, posting{Form: formCard, Content: string(content), UUID: b.uuid(m, "card")}, most); err != nil {
		b.refused(err)
		return err
	}
	s.Posted = true
	return b.remember(ctx, m, s)
}

// sendFirst ends the message's card with the whole of the first part, whoever began it. Where there is none, none is begun any more.
func (b *bot) sendFirst(ctx context.Context, m chat.Message, p part) error {
	to := addressOf(m)
	s, err := b.first(ctx, m, state{})
	if err != nil {
		return err
	}
	if s.Card == "" {
		return b.sendPlain(ctx, to, p)
	}
	if !s.Posted {
		err = b.postCard(ctx, m, to, s, later)
	}
	if err == nil {
		err = b.finish(ctx, to, s, p)
	}
	if !forGood(err) {
		return err
	}
	b.metrics.replaced.Inc()
	b.log.Warn("feishu: a reply's card was refused, it goes as a message of its own", "tenant", b.tenant, "channel", b.name, "err", err)
	return b.sendPlain(ctx, to, p)
}

// action is one of several changes that a card gets at once (document "partially update a card entity").
type action struct {
	Action string         `json:"action"`
	Params map[string]any `json:"params"`
}

// finish writes a card's last text and ends its streaming, in one step, so that neither is without the other.
func (b *bot) finish(ctx context.Context, to address, s state, p part) error {
	text := p.Text
	if p.First {
		text = to.mention() + text
	}
	actions, err := encode([]action{
		{"partial_update_setting", map[string]any{"settings": map[string]any{"config": map[string]any{"streaming_mode": false}}}},
		{"partial_update_element", map[string]any{"element_id": elementAnswer, "partial_element": map[string]string{"content": text}}},
	})
	if err != nil {
		return chat.E(chat.Internal, "feishu.finish", err)
	}
	for _, lead := range leads() {
		err = b.api.call(ctx, request{
			api: "finish", method: http.MethodPost, path: cardPath(s.Card) + "/batch_update",
			in: map[string]any{"sequence": s.sequence(b.now()) + lead, "actions": string(actions)}, most: later,
		})
		if !is(err, codeSequence) {
			return err
		}
	}
	return err
}

// refused lets cards rest after what no other card would be spared, and says why once in each rest.
func (b *bot) refused(err error) {
	if !is(err, codeScope, codeSomeScope) || b.rest.at(b.now()) {
		return
	}
	b.rest.from(b.now().Add(cardsRest))
	b.log.Error("feishu: the platform refuses a card; replies are shown at once for a while, and not while they grow",
		"tenant", b.tenant, "channel", b.name, "for", cardsRest, "err", err)
}

// first remembers s unless something is remembered, and gives what is.
func (b *bot) first(ctx context.Context, m chat.Message, s state) (state, error) {
	raw, err := encode(s)
	if err != nil {
		return s, chat.E(chat.Internal, "feishu.card", err)
	}
	kept, err := b.memo.RememberFirst(ctx, b.key("card", m.ID), string(raw), cardKept)
	if err != nil {
		return s, chat.E(chat.Unavailable, "feishu.card", err)
	}
	return parseState(kept)
}

func (b *bot) recall(ctx context.Context, m chat.Message) (s state, known bool, err error) {
	kept, err := b.memo.Recall(ctx, b.key("card", m.ID))
	if err != nil {
		return s, false, chat.E(chat.Unavailable, "feishu.card", err)
	}
	if kept == "" {
		return s, false, nil
	}
	s, err = parseState(kept)
	return s, true, err
}

func (b *bot) remember(ctx context.Context, m chat.Message, s state) error {
	raw, err := encode(s)
	if err == nil {
		err = b.memo.Remember(ctx, b.key("card", m.ID), string(raw), cardKept)
	}
	if err != nil {
		return chat.E(chat.Unavailable, "feishu.card", err)
	}
	return nil
}

func parseState(kept string) (s state, err error) {
	if err := json.Unmarshal([]byte(kept), &s); err != nil {
		return s, chat.E(chat.Internal, "feishu.card", errors.New("what is remembered of a card is none of this channel's"))
	}
	return s, nil
}
