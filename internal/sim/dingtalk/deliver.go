package dingtalk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Posted is a message with what became of it.
type Posted struct {
	App string
	Message
	Tries []Try
	Acked bool
}

// Try is one delivery.
type Try struct {
	URL    string // of HTTP mode
	Status int    // of HTTP, or the code of an acknowledgement; 0: none came
	Err    string
	Took   time.Duration
}

// Say lets a person write to the robot in a single chat.
func (s *Sim) Say(ctx context.Context, app, user, text string) (Posted, error) {
	return s.Push(ctx, app, Message{User: user, Text: text})
}

// Push delivers a message by the application's way until it is acknowledged or given up. It blocks so long.
func (s *Sim) Push(ctx context.Context, key string, m Message) (Posted, error) {
	a, err := s.app(key)
	if err != nil {
		return Posted{}, err
	}
	doc, err := s.document(a, &m)
	if err != nil {
		return Posted{}, err
	}
	p := Posted{App: key, Message: m}
	defer func() { s.ledger.post(p) }()
	for range s.opt.Tries {
		var t Try
		if len(a.Callbacks) > 0 {
			t = s.deliver(ctx, a, doc)
		} else {
			t = s.send(ctx, a, doc)
		}
		p.Tries = append(p.Tries, t)
		if p.Acked = t.Status == http.StatusOK; p.Acked || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond): // the platform's own pause is not known
		case <-ctx.Done():
		}
	}
	return p, nil
}

// Document writes a message with the headers that prove it at a time. It is for those who drive a callback themselves.
func (s *Sim) Document(key string, m Message, at time.Time) (http.Header, []byte, error) {
	a, err := s.app(key)
	if err != nil {
		return nil, nil, err
	}
	doc, err := s.document(a, &m)
	s.mu.Lock()
	defer s.mu.Unlock()
	return Sign(a.signing, at), doc, err
}

// Sign makes the headers of a callback: they cover the time and nothing else.
func Sign(secret string, at time.Time) http.Header {
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "\n" + secret))
	h := http.Header{}
	h.Set("timestamp", timestamp)
	h.Set("sign", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

// deliver makes one try over HTTP: the first replica that takes the connection decides.
func (s *Sim) deliver(ctx context.Context, a *app, doc []byte) (t Try) {
	for _, address := range s.replicas(a) {
		var refused bool
		if t, refused = s.post(ctx, a, address, doc); !refused {
			break
		}
	}
	return t
}

func (s *Sim) replicas(a *app) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.next = (a.next + 1) % len(a.Callbacks)
	return append(append([]string{}, a.Callbacks[a.next:]...), a.Callbacks[:a.next]...)
}

func (s *Sim) post(ctx context.Context, a *app, address string, doc []byte) (t Try, refused bool) {
	t = Try{URL: address}
	began := time.Now()
	defer func() { t.Took = time.Since(began) }()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.opt.AckWithin, 5*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(doc))
	if err != nil {
		t.Err = err.Error()
		return t, false
	}
	s.mu.Lock()
	req.Header = Sign(a.signing, s.opt.Now())
	s.mu.Unlock()
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := s.client.Do(req)
	if err != nil {
		op, isOp := errors.AsType[*net.OpError](err)
		t.Err = err.Error()
		return t, isOp && op.Op == "dial"
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		t.Err = err.Error()
		return t, false
	}
	t.Status = resp.StatusCode
	return t, false
}
