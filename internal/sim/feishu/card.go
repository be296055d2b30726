package feishu

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// card is a card entity (documents of CardKit).
type card struct {
	cardJSON
	id        string
	app       string
	made      time.Time
	streamed  time.Time // when its streaming mode began
	sequence  int64
	shown     *Shown // its message; nil: not sent
	sent      bool
	streaming bool
}

// cardJSON is a card's JSON 2.0, as far as the simulator reads it.
type cardJSON struct {
	Schema string `json:"schema"`
	Config struct {
		Streaming bool  `json:"streaming_mode"`
		Multi     *bool `json:"update_multi"`
	} `json:"config"`
	Body struct {
		Elements []element `json:"elements"`
	} `json:"body"`
}

type element struct {
	Tag     string `json:"tag"`
	ID      string `json:"element_id"`
	Content string `json:"content"`
}

// cardFor is how long a card may be changed.
const cardFor = 14 * 24 * time.Hour

func parseCard(raw string) (c cardJSON, no answer) {
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		return c, refuse(200220, "Failed to generate card content: "+err.Error())
	}
	seen := map[string]bool{}
	for _, e := range c.Body.Elements {
		if e.ID != "" && seen[e.ID] {
			return c, refuse(300301, "Duplicate element_id in card component.")
		}
		seen[e.ID] = true
	}
	switch {
	case len(raw) > maxCard:
		return c, refuse(200860, "Card content exceeds limit.")
	case c.Schema != "2.0":
		return c, refuse(300303, "Only schema 2.0 is supported")
	case c.Config.Multi != nil && !*c.Config.Multi:
		return c, refuse(300302, "update_multi property is false")
	case len(c.Body.Elements) == 0:
		return c, refuse(300307, "The card DSL is empty")
	}
	return c, answer{}
}

func (c *cardJSON) text() string {
	var texts []string
	for _, e := range c.Body.Elements {
		texts = append(texts, e.Content)
	}
	return strings.Join(texts, "\n")
}

// createCard makes a card that nobody sees yet.
func (s *Sim) createCard(a *app, r *http.Request) answer {
	var in struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	if in.Type != "card_json" {
		return refuse(10002, "Your request contains an invalid request parameter: type")
	}
	parsed, no := parseCard(in.Data)
	if no.code != 0 {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &card{cardJSON: parsed, id: s.id(""), app: a.AppID, made: s.opt.Now(), streamed: s.opt.Now(), streaming: parsed.Config.Streaming}
	s.cards[c.id] = c
	return ok(object{"card_id": c.id})
}

// attach sends a card, which can be done once. The caller holds the lock.
func (s *Sim) attach(a *app, id string, m *Shown) answer {
	c := s.cards[id]
	switch {
	case c == nil:
		return refuse(230099, "Failed to create card content, ext=ErrCode: 200740; ErrMsg: The card entity does not exist")
	case c.app != a.AppID:
		return refuse(230099, "Failed to create card content, ext=ErrCode: 300311; ErrMsg: no permission")
	case c.sent:
		return refuse(230099, "Failed to create card content, ext=ErrMsg: the card entity has been sent")
	}
	c.sent = true
	m.Card, m.Text, m.Streaming = id, c.text(), c.streaming
	m.Mentions = mentioned(m.Text)
	return answer{}
}

// change finds a card and takes the sequence of a change. The caller holds the lock.
func (s *Sim) change(a *app, id string, sequence int64) (*card, answer) {
	c, now := s.cards[id], s.opt.Now()
	switch {
	case c == nil:
		return nil, refuse(200740, "The card entity does not exist")
	case now.Sub(c.made) > cardFor:
		return nil, refuse(200750, "The card entity has expired")
	case c.app != a.AppID:
		return nil, refuse(300311, "The current application does not have permission to update/use this card")
	case s.over("card/"+id, s.opt.PerCard, time.Second):
		return nil, limit()
	case sequence < 1 || sequence > math.MaxInt32:
		return nil, refuse(10002, "Your request contains an invalid request parameter: sequence")
	case sequence <= c.sequence:
		return nil, refuse(300317, fmt.Sprintf("sequence number compare failed: %d after %d", sequence, c.sequence))
	}
	return c, answer{}
}

// streamCard replaces an element's text (document "stream text updates").
func (s *Sim) streamCard(a *app, r *http.Request) answer {
	var in struct {
		Content  string `json:"content"`
		Sequence int64  `json:"sequence"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, no := s.change(a, r.PathValue("id"), in.Sequence)
	switch {
	case c == nil:
		return no
	case c.streaming && s.opt.Now().Sub(c.streamed) > s.opt.StreamFor:
		c.streaming = false
		return refuse(200850, "Card streaming timeout")
	case !c.streaming:
		return refuse(300309, "streaming mode is closed")
	case in.Content == "":
		return invalid("content")
	}
	if no := c.set(r.PathValue("element"), in.Content); no.code != 0 {
		return no
	}
	c.sequence = in.Sequence
	s.redraw(c)
	return ok(object{})
}

// set replaces an element's content within the card's size.
func (c *card) set(id, content string) answer {
	for i := range c.Body.Elements {
		e := &c.Body.Elements[i]
		if e.ID != id {
			continue
		}
		old := e.Content
		e.Content = content
		if raw, err := json.Marshal(c.cardJSON); err != nil || len(raw) > maxCard {
			e.Content = old
			return refuse(200860, "Card content exceeds limit.")
		}
		return answer{}
	}
	return refuse(300313, "Failed to update element properties: not find elementID: "+id)
}

// setCard changes a card's settings.
func (s *Sim) setCard(a *app, r *http.Request) answer {
	var in struct {
		Settings string `json:"settings"`
		Sequence int64  `json:"sequence"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, no := s.change(a, r.PathValue("id"), in.Sequence)
	if c == nil {
		return no
	}
	if no := s.settings(c, []byte(in.Settings)); no.code != 0 {
		return no
	}
	c.sequence = in.Sequence
	s.redraw(c)
	return ok(object{})
}

func (s *Sim) settings(c *card, raw []byte) answer {
	var in struct {
		Config struct {
			Streaming *bool `json:"streaming_mode"`
		} `json:"config"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return refuse(300122, "Failed to update card configuration: "+err.Error())
	}
	if in.Config.Streaming != nil {
		c.streaming, c.streamed = *in.Config.Streaming, s.opt.Now()
	}
	return answer{}
}

// updateCard replaces the whole card.
func (s *Sim) updateCard(a *app, r *http.Request) answer {
	var in struct {
		Card struct {
			Type string `json:"type"`
			Data string `json:"data"`
		} `json:"card"`
		Sequence int64 `json:"sequence"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	parsed, no := parseCard(in.Card.Data)
	if no.code != 0 {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, no := s.change(a, r.PathValue("id"), in.Sequence)
	if c == nil {
		return no
	}
	c.cardJSON, c.streaming, c.sequence = parsed, parsed.Config.Streaming, in.Sequence
	s.redraw(c)
	return ok(object{})
}

// batchCard makes several changes at once, or none (document "partially update a card entity").
func (s *Sim) batchCard(a *app, r *http.Request) answer {
	var in struct {
		Sequence int64  `json:"sequence"`
		Actions  string `json:"actions"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	var actions []struct {
		Action string `json:"action"`
		Params struct {
			Settings json.RawMessage `json:"settings"`
			ID       string          `json:"element_id"`
			Partial  struct {
				Content *string `json:"content"`
			} `json:"partial_element"`
		} `json:"params"`
	}
	if err := json.Unmarshal([]byte(in.Actions), &actions); err != nil || len(actions) == 0 {
		return refuse(10002, "Your request contains an invalid request parameter: actions")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, no := s.change(a, r.PathValue("id"), in.Sequence)
	if c == nil {
		return no
	}
	before := *c
	before.Body.Elements = append([]element{}, c.Body.Elements...)
	for _, action := range actions {
		switch {
		case action.Action == "partial_update_setting":
			no = s.settings(c, action.Params.Settings)
		case action.Action == "partial_update_element" && action.Params.Partial.Content != nil:
			no = c.set(action.Params.ID, *action.Params.Partial.Content)
		default:
			no = refuse(10002, "Your request contains an invalid request parameter: action")
		}
		if no.code != 0 {
			*c = before
			return no
		}
	}
	c.sequence = in.Sequence
	s.redraw(c)
	return ok(object{})
}

// redraw shows a card's newest state, where it is shown at all. The caller holds the lock.
func (s *Sim) redraw(c *card) {
	if c.shown == nil {
		return
	}
	m := *c.shown
	m.Text, m.Streaming, m.Mentions = c.text(), c.streaming, mentioned(c.text())
	m.Versions++
	*c.shown = m
	s.ledger.redraw(m)
}
