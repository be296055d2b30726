package feishu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Posted is a message and what became of its delivery.
type Posted struct {
	AppID string
	Message
	Acked bool
	Tries []Try
}

// Try is one delivery.
type Try struct {
	URL    string // the callback; empty: a connection
	At     time.Time
	Took   time.Duration
	Status int // 0: none came
	Body   string
	Err    string
}

// Say posts a person's text in their single chat with the bot. It blocks as [Sim.Push] does.
func (s *Sim) Say(ctx context.Context, appID, user, text string) (Posted, error) {
	return s.Push(ctx, appID, Message{User: user, Text: text})
}

// Push posts a message until it is acknowledged or the tries are used up; the error says that it was not. Each try proves it afresh.
func (s *Sim) Push(ctx context.Context, appID string, m Message) (Posted, error) {
	a, err := s.app(appID)
	if err != nil {
		return Posted{}, err
	}
	m = s.write(a, m)
	p := Posted{AppID: appID, Message: m}
	doc := Document(a.App, m)
	for i := 0; ; i++ {
		t := s.deliver(ctx, a, m.EventID, doc)
		p.Tries = append(p.Tries, t)
		if p.Acked = t.Status == http.StatusOK; p.Acked || i == len(s.opt.Retries) || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(s.opt.Retries[i]):
		case <-ctx.Done():
		}
	}
	s.ledger.post(p)
	if !p.Acked {
		return p, fmt.Errorf("%s was not acknowledged in %d tries", m.ID, len(p.Tries))
	}
	for range rand.N(s.opt.Again + 1) {
		time.AfterFunc(rand.N(s.opt.AckWithin), func() { s.ledger.again(s.deliver(context.WithoutCancel(ctx), a, m.EventID, doc)) })
	}
	return p, nil
}

// write gives a message its ids and keeps it.
func (s *Sim) write(a *app, m Message) Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.ID == "" {
		m.ID = s.id("om_")
	}
	if m.EventID == "" {
		m.EventID = s.id("ev")
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt = s.opt.Now()
	}
	if m.Event != "" {
		return m
	}
	var keys []string
	for _, data := range m.Pictures {
		key := s.id("img_v3_")
		s.images[key] = image{message: m.ID, data: data}
		keys = append(keys, key)
	}
	m.fill(keys)
	s.messages[m.ID] = &stored{app: a.AppID, chat: m.ChatOf(), thread: m.Thread, root: m.Root, message: m}
	return m
}

// deliver makes one try.
func (s *Sim) deliver(ctx context.Context, a *app, id string, doc []byte) Try {
	if a, err := s.app(a.AppID); err == nil && a.Stream {
		return s.frame(ctx, a, id, doc)
	}
	header, body := SealDocument(a.App, doc, s.opt.Now())
	return s.entry(ctx, a, header, body, s.opt.AckWithin)
}

// entry posts to the first replica that takes the connection.
func (s *Sim) entry(ctx context.Context, a *app, header http.Header, body []byte, within time.Duration) Try {
	t := Try{At: s.opt.Now(), Err: "the application has no callbacks"}
	for _, address := range s.replicas(a) {
		var refused bool
		if t, refused = s.call(ctx, address, header, body, within); !refused {
			break
		}
	}
	return t
}

// replicas lists the callbacks, beginning with another one each time.
func (s *Sim) replicas(a *app) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(a.Callbacks) == 0 {
		return nil
	}
	a.next = (a.next + 1) % len(a.Callbacks)
	return append(append([]string{}, a.Callbacks[a.next:]...), a.Callbacks[:a.next]...)
}

// call makes one request; refused says that it reached nobody.
func (s *Sim) call(ctx context.Context, address string, header http.Header, body []byte, within time.Duration) (t Try, refused bool) {
	t = Try{URL: address, At: s.opt.Now()}
	start := time.Now()
	defer func() { t.Took = time.Since(start) }()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Err = err.Error()
		return t, false
	}
	req.Header = header
	resp, err := s.client.Do(req)
	if err != nil {
		op, isOp := errors.AsType[*net.OpError](err)
		t.Err = err.Error()
		return t, isOp && op.Op == "dial"
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil { // the connection was cut before the answer's end
		t.Err = err.Error()
		return t, false
	}
	t.Status, t.Body = resp.StatusCode, string(answer)
	return t, false
}

// VerifyDocument is the question by which the platform verifies an address, before it is sealed. It is not signed.
func VerifyDocument(a App, challenge string) []byte {
	doc, _ := json.Marshal(object{"challenge": challenge, "token": a.VerificationToken, "type": "url_verification"}) // texts alone
	return doc
}

// Verify does what the administrator's 保存 button does: the entry must answer a sealed challenge within 1 s.
func (s *Sim) Verify(ctx context.Context, appID string) error {
	a, err := s.app(appID)
	if err != nil {
		return err
	}
	challenge := s.newID("c-")
	body, _ := json.Marshal(object{"encrypt": seal(a.EncryptKey, VerifyDocument(a.App, challenge))}) // texts alone
	t := s.entry(ctx, a, http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body, time.Second)
	var got struct {
		Challenge string `json:"challenge"`
	}
	if t.Status != http.StatusOK || json.Unmarshal([]byte(t.Body), &got) != nil || got.Challenge != challenge {
		return fmt.Errorf("%s did not verify: status %d %s, answer %q", t.URL, t.Status, t.Err, t.Body)
	}
	return nil
}
