package kf

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"parley/internal/sim/wecom"
)

// message is one entry of an account's stream, as sync_msg hands it out (document 94670).
type message struct {
	ID       string         `json:"msgid"`
	OpenKFID string         `json:"open_kfid,omitempty"` // absent for events
	User     string         `json:"external_userid,omitempty"`
	SentAt   int64          `json:"send_time"`
	Origin   int            `json:"origin"` // 3 the customer, 4 the system, 5 a human servicer
	Servicer string         `json:"servicer_userid,omitempty"`
	Type     string         `json:"msgtype"`
	Text     map[string]any `json:"text,omitempty"`
	Image    map[string]any `json:"image,omitempty"`
	Voice    map[string]any `json:"voice,omitempty"`
	Location map[string]any `json:"location,omitempty"`
	Event    map[string]any `json:"event,omitempty"`
}

// msgToken is what a callback gives, with which sync_msg is not strictly limited.
type msgToken struct {
	openKFID string
	until    time.Time
}

const (
	tokenFor   = 10 * time.Minute
	welcomeFor = 20 * time.Second
)

// Posted is what a person did and what became of its callback.
type Posted struct {
	ID    string
	Acked bool
	Tries []wecom.Try
}

// Say lets a customer write a text. It blocks until the callback is acknowledged or given up, which is an error.
func (s *Sim) Say(ctx context.Context, openKFID, user, text string) (Posted, error) {
	return s.write(ctx, openKFID, user, message{Type: "text", Text: map[string]any{"content": text}})
}

// Show lets a customer send a picture.
func (s *Sim) Show(ctx context.Context, openKFID, user, contentType string, data []byte) (Posted, error) {
	a, err := s.known(openKFID)
	if err != nil {
		return Posted{}, err
	}
	id := s.platform.PutMedia(a.CorpID, contentType, data)
	return s.write(ctx, openKFID, user, message{Type: "image", Image: map[string]any{"media_id": id}})
}

// Send lets a customer send another kind of message: voice, location, …
func (s *Sim) Send(ctx context.Context, openKFID, user, kind string) (Posted, error) {
	return s.write(ctx, openKFID, user, message{Type: kind})
}

// Whisper lets a customer write a text of which no callback tells.
func (s *Sim) Whisper(openKFID, user, text string, at time.Time) (id string, err error) {
	a, err := s.known(openKFID)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(a, user, message{Type: "text", Text: map[string]any{"content": text}, SentAt: at.Unix()}), nil
}

func (s *Sim) write(ctx context.Context, openKFID, user string, m message) (Posted, error) {
	a, err := s.known(openKFID)
	if err != nil {
		return Posted{}, err
	}
	s.mu.Lock()
	id := s.add(a, user, m)
	s.mu.Unlock()
	p, err := s.Ring(ctx, openKFID)
	p.ID = id
	return p, err
}

// add appends what a customer wrote: it begins a session, or goes on with one, and allows new answers. The caller holds the lock.
func (s *Sim) add(a *account, user string, m message) (id string) {
	c := a.customer(user)
	if c.state == StateEnded {
		c.state = StateNew
		if a.Human {
			c.state = StateHuman
		}
	}
	c.spoke, c.used = s.opt.Now(), 0
	m.ID, m.OpenKFID, m.User, m.Origin = s.id("msg_"), a.OpenKFID, user, 3
	if m.SentAt == 0 {
		m.SentAt = s.opt.Now().Unix()
	}
	a.messages = append(a.messages, m)
	s.stats.Posted++
	return m.ID
}

// Enter lets a customer open the chat: an event with a welcome_code, if the customer was not greeted or written to for 48 hours.
func (s *Sim) Enter(ctx context.Context, openKFID, user string) (Posted, error) {
	a, err := s.known(openKFID)
	if err != nil {
		return Posted{}, err
	}
	s.mu.Lock()
	c, now := a.customer(user), s.opt.Now()
	event := map[string]any{"event_type": "enter_session", "open_kfid": openKFID, "external_userid": user, "scene": "123"}
	quiet := len(c.shown) == 0 || now.Sub(c.shown[len(c.shown)-1].At) > s.opt.Window
	if quiet && (c.greets.IsZero() || now.Sub(c.greets) > s.opt.Window) {
		value := rand.Text()
		s.codes[value] = &code{account: a, user: user, until: now.Add(welcomeFor)}
		event["welcome_code"] = value
	}
	s.event(a, event)
	s.mu.Unlock()
	return s.Ring(ctx, openKFID)
}

// Turn puts a customer's session into a state, as a human servicer does in the client, with the event that tells of it.
func (s *Sim) Turn(ctx context.Context, openKFID, user string, state int) (Posted, error) {
	a, err := s.known(openKFID)
	if err != nil {
		return Posted{}, err
	}
	s.mu.Lock()
	a.customer(user).state = state
	change := map[int]int{StateHuman: 1, StateEnded: 3}[state]
	if change > 0 {
		s.event(a, map[string]any{
			"event_type": "session_status_change", "open_kfid": openKFID, "external_userid": user, "change_type": change,
			"new_servicer_userid": "servicer",
		})
	}
	s.mu.Unlock()
	return s.Ring(ctx, openKFID)
}

// Serve lets a human servicer write to the customer in WeCom's own client.
func (s *Sim) Serve(ctx context.Context, openKFID, user, text string) (Posted, error) {
	a, err := s.known(openKFID)
	if err != nil {
		return Posted{}, err
	}
	s.mu.Lock()
	a.messages = append(a.messages, message{
		ID: s.id("msg_"), OpenKFID: openKFID, User: user, SentAt: s.opt.Now().Unix(), Origin: 5, Servicer: "servicer",
		Type: "text", Text: map[string]any{"content": text},
	})
	s.mu.Unlock()
	return s.Ring(ctx, openKFID)
}

// event appends an event. The caller holds the lock.
func (s *Sim) event(a *account, event map[string]any) {
	a.messages = append(a.messages, message{ID: s.id("evt_"), SentAt: s.opt.Now().Unix(), Origin: 4, Type: "event", Event: event})
}

// Ring posts the callback that says there is something, without adding anything.
func (s *Sim) Ring(ctx context.Context, openKFID string) (Posted, error) {
	a, err := s.known(openKFID)
	if err != nil {
		return Posted{}, err
	}
	tries, err := s.platform.Deliver(ctx, a.Ref, s.Bell(a.Account))
	if err != nil {
		err = fmt.Errorf("the callback of %s: %w", openKFID, err)
	}
	return Posted{Acked: err == nil, Tries: tries}, err
}

// Bell is the document of that callback, with a fresh token.
func (s *Sim) Bell(a Account) string {
	token, now := "ENC"+rand.Text(), s.opt.Now()
	s.mu.Lock()
	s.tokens[token] = msgToken{a.OpenKFID, now.Add(tokenFor)}
	s.mu.Unlock()
	return fmt.Sprintf("<xml><ToUserName><![CDATA[%s]]></ToUserName><CreateTime>%d</CreateTime><MsgType><![CDATA[event]]></MsgType>"+
		"<Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[%s]]></Token><OpenKfId><![CDATA[%s]]></OpenKfId></xml>",
		a.CorpID, now.Unix(), token, a.OpenKFID)
}

// ExpireCursors makes the platform refuse all cursors that it gave so far.
func (s *Sim) ExpireCursors() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}
