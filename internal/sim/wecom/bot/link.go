package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// frame is what travels on a long connection (document 101463); answers have no cmd.
type frame struct {
	Cmd     string          `json:"cmd,omitempty"`
	Headers headers         `json:"headers"`
	Body    json.RawMessage `json:"body,omitempty"`
	Code    *int64          `json:"errcode,omitempty"`
	Message string          `json:"errmsg,omitempty"`
}

type headers struct {
	Request string `json:"req_id"`
}

// link is a subscribed connection.
type link struct {
	conn *websocket.Conn
	end  context.CancelFunc
}

// request is what a req_id stands for.
type request struct {
	link *link
	m    Message
	at   time.Time
}

// connect serves a long connection until it ends: subscribe first, then commands.
func (s *Sim) connect(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 20)
	ctx, end := context.WithCancel(context.Background())
	defer end()
	defer func() { _ = conn.CloseNow() }()
	l := &link{conn: conn, end: end}
	b := s.subscribe(ctx, l)
	if b == nil {
		return
	}
	for {
		f, err := read(ctx, conn)
		if err != nil {
			break
		}
		s.mu.Lock()
		silent := s.silent
		s.mu.Unlock()
		if silent {
			continue
		}
		fault := s.fault(f.Cmd)
		res := result{fault.Code, "injected"}
		if fault.Code == 0 {
			res = s.command(b, l, f)
		}
		if !fault.Lose {
			_ = write(ctx, conn, frame{Headers: f.Headers, Code: &res.Code, Message: res.Message})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.bots[b.ID]; now != nil && now.link == l {
		now.link = nil
	}
}

// subscribe takes a connection's first frame. A newer connection of a bot evicts the older, which is told.
func (s *Sim) subscribe(ctx context.Context, l *link) *bot {
	first, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	f, err := read(first, l.conn)
	if err != nil || f.Cmd != "aibot_subscribe" {
		return nil
	}
	var who struct {
		ID     string `json:"bot_id"`
		Secret string `json:"secret"`
	}
	_ = json.Unmarshal(f.Body, &who)
	b, err := s.bot(who.ID)
	if err != nil || b.Secret == "" || b.Secret != who.Secret {
		no := int64(codeAuth)
		_ = write(ctx, l.conn, frame{Headers: f.Headers, Code: &no, Message: "invalid bot_id or secret"})
		return nil
	}
	s.mu.Lock()
	old := b.link
	b.link = l
	s.mu.Unlock()
	if old != nil {
		_ = write(ctx, old.conn, s.event(b, Message{ID: newID(), Type: "event", Event: "disconnected_event"}))
		old.end()
	}
	yes := int64(0)
	if write(ctx, l.conn, frame{Headers: f.Headers, Code: &yes, Message: "ok"}) != nil {
		return nil
	}
	return b
}

func (s *Sim) event(b *bot, m Message) frame {
	return frame{Cmd: "aibot_event_callback", Headers: headers{newID()}, Body: encode(s.body(b, m, nil))}
}

func (s *Sim) linked(b *bot) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b.link
}

// pushDown sends a message down the long connection. Nothing acknowledges it: what a dead connection was given is lost.
func (s *Sim) pushDown(b *bot, m Message) error {
	l := s.linked(b)
	if l == nil {
		return errors.New("the bot is not connected: the message is lost")
	}
	f := frame{Cmd: "aibot_msg_callback", Headers: headers{newID()}, Body: encode(s.body(b, m, nil))}
	if m.Type == "event" {
		f.Cmd = "aibot_event_callback"
	}
	s.mu.Lock()
	s.requests[f.Headers.Request] = request{l, m, s.opt.Now()}
	s.mu.Unlock()
	return write(context.Background(), l.conn, f)
}

// command carries out what a bot asks on its connection.
func (s *Sim) command(b *bot, l *link, f frame) result {
	s.mu.Lock()
	q, known := s.requests[f.Headers.Request]
	s.mu.Unlock()
	known = known && (q.link == l || s.opt.KeepRequests)
	switch f.Cmd {
	case "ping":
		return result{0, "ok"}
	case "aibot_send_msg":
		return s.sendByItself(b, f.Body)
	case "aibot_respond_msg":
		if !known || q.m.Type == "event" {
			return result{codeRequest, "invalid req_id"}
		}
		return s.respondTo(b, q, f.Body)
	case "aibot_respond_welcome_msg":
		if !known || q.m.Event != "enter_chat" || s.opt.Now().Sub(q.at) > answerFor {
			return result{codeRequest, "invalid req_id"}
		}
		return s.welcome(b, q, f.Body)
	}
	return result{codeInvalid, "unknown cmd"}
}

func (s *Sim) respondTo(b *bot, q request, body []byte) result {
	var o out
	switch {
	case json.Unmarshal(body, &o) != nil || o.Type != "stream" || o.Stream.ID == "":
		return result{codeKind, "invalid message type"}
	case len(o.Stream.Content) > maxContent:
		return result{codeInvalid, "content too long"}
	case s.opt.Now().Sub(q.at) > s.opt.Window:
		return result{codeWindow, fmt.Sprintf("stream message update expired (>%d minutes)", int(s.opt.Window.Minutes()))}
	}
	s.mu.Lock()
	a := s.answers[q.m.ID]
	if a == nil {
		a = &answer{bot: b.ID, user: q.m.User, chat: q.m.Chat, message: q.m.ID, stream: o.Stream.ID, since: q.at}
		s.answers[q.m.ID] = a
	}
	done := a.finished
	s.mu.Unlock()
	if done && a.stream == o.Stream.ID { // assumed: a finished stream takes no more, and says nothing
		return result{0, "ok"}
	}
	s.state(a, o)
	return result{0, "ok"}
}

func (s *Sim) welcome(b *bot, q request, body []byte) result {
	var o out
	if json.Unmarshal(body, &o) != nil || o.Type != "text" || o.Text.Content == "" {
		return result{codeKind, "invalid message type"}
	}
	s.show(Shown{Bot: b.ID, User: q.m.User, Text: o.Text.Content, Finished: true, Extra: true})
	return result{0, "ok"}
}

// sendByItself takes a message that answers nothing: Markdown, to whoever has written to the bot before.
func (s *Sim) sendByItself(b *bot, body []byte) result {
	var to struct {
		Chat string `json:"chatid"`
		Kind int    `json:"chat_type"`
	}
	text, no := markdown(body)
	if no.Code != 0 || json.Unmarshal(body, &to) != nil || to.Chat == "" {
		return result{max(no.Code, codeKind), "invalid message"}
	}
	n := Shown{Bot: b.ID, User: to.Chat, Text: text, Finished: true, Extra: true}
	if to.Kind == 2 {
		n.User, n.Chat = "", to.Chat
	}
	s.show(n)
	return result{0, "ok"}
}

// Drop cuts a bot's connection, as a network does.
func (s *Sim) Drop(bot string) {
	if b, err := s.bot(bot); err == nil {
		if l := s.linked(b); l != nil {
			_ = l.conn.CloseNow()
		}
	}
}

// Silence makes the platform acknowledge nothing on its connections, pings neither.
func (s *Sim) Silence(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = on
}

// Connected reports whether a bot has a connection.
func (s *Sim) Connected(bot string) bool {
	b, err := s.bot(bot)
	return err == nil && s.linked(b) != nil
}

func read(ctx context.Context, conn *websocket.Conn) (f frame, err error) {
	_, data, err := conn.Read(ctx)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(data, &f)
}

func write(ctx context.Context, conn *websocket.Conn, f frame) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, encode(f))
}
