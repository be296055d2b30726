package bot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

var errNobody = errors.New("no callback address takes connections")

// callBack delivers a message until it is answered 200 or the tries are used up, and follows the stream that answers it.
func (s *Sim) callBack(ctx context.Context, b *bot, m Message) (tries int, err error) {
	if b.sealer == nil {
		return 0, errors.New("the bot has no callback, and no connection: the message is lost")
	}
	body := encode(s.body(b, m, b.sealer.Key()))
	a := &answer{bot: b.ID, user: m.User, chat: m.Chat, message: m.ID, since: s.opt.Now(), fresh: make(chan struct{})}
	for {
		begun := time.Now()
		tries++
		out, err := s.post(ctx, b, body)
		switch {
		case err == nil:
			s.first(b, a, m, out)
			s.repeat(ctx, b, a, body)
			return tries, nil
		case tries == s.opt.Tries:
			return tries, fmt.Errorf("message %s of %s: not acknowledged in %d tries: %w", m.ID, m.User, tries, err)
		}
		if err := wait(ctx, time.Until(begun.Add(s.opt.AckWithin))); err != nil {
			return tries, err
		}
	}
}

// repeat delivers an acknowledged message again: its answer may be lost on the way. The same message must make the same stream.
func (s *Sim) repeat(ctx context.Context, b *bot, a *answer, body []byte) {
	ctx = context.WithoutCancel(ctx)
	for range rand.IntN(s.opt.Again + 1) {
		time.AfterFunc(time.Duration(rand.Float64()*float64(s.opt.AckWithin)/4), func() {
			out, err := s.post(ctx, b, body)
			if err == nil && out.Type == "stream" && out.Stream.ID != a.stream {
				s.violate("message %s was answered with two streams, %q and %q", a.message, a.stream, out.Stream.ID)
			}
		})
	}
}

// out is an opened answer.
type out struct {
	Type   string `json:"msgtype"`
	Stream struct {
		ID      string `json:"id"`
		Finish  bool   `json:"finish"`
		Content string `json:"content"`
	} `json:"stream"`
	Text struct {
		Content string `json:"content"`
	} `json:"text"`
}

// post delivers one body, sealed afresh, to the first replica that takes the connection, and opens the answer.
func (s *Sim) post(ctx context.Context, b *bot, body []byte) (o out, err error) {
	encrypt, query := b.sealer.Seal(string(body), s.opt.Now())
	ctx, cancel := context.WithTimeout(ctx, s.opt.AckWithin)
	defer cancel()
	s.mu.Lock()
	first := b.next
	b.next++
	s.mu.Unlock()
	for i := range b.Callbacks {
		at := b.Callbacks[(first+i)%len(b.Callbacks)]
		answer, status, err := s.call(ctx, at+"?"+query.Encode(), encode(map[string]string{"encrypt": encrypt}))
		if dial, ok := errors.AsType[*url.Error](err); ok && refusedConnection(dial) {
			continue
		}
		if err != nil {
			return o, err
		}
		if status != http.StatusOK {
			return o, fmt.Errorf("status %d", status)
		}
		if len(bytes.TrimSpace(answer)) == 0 {
			return o, nil // accepted, nothing to show
		}
		return o, b.open(answer, query.Get("nonce"), &o)
	}
	return o, errNobody
}

func (s *Sim) call(ctx context.Context, address string, body []byte) ([]byte, int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return answer, resp.StatusCode, err
}

// open verifies and opens an answer (document 101033): the nonce is the callback's own.
func (b *bot) open(answer []byte, nonce string, o *out) error {
	var sealed struct {
		Encrypt   string          `json:"encrypt"`
		Signature string          `json:"msgsignature"`
		Timestamp json.RawMessage `json:"timestamp"`
		Nonce     string          `json:"nonce"`
	}
	if err := json.Unmarshal(answer, &sealed); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	if _, err := strconv.ParseInt(string(sealed.Timestamp), 10, 64); err != nil {
		return fmt.Errorf("timestamp is %s, not a number", sealed.Timestamp)
	}
	if sealed.Nonce != nonce {
		return fmt.Errorf("nonce is %q, not the callback's", sealed.Nonce)
	}
	plain, err := b.sealer.Open(sealed.Encrypt, sealed.Signature, string(sealed.Timestamp), sealed.Nonce)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, o); err != nil {
		return fmt.Errorf("the opened answer is not JSON: %w", err)
	}
	return nil
}

// first takes the answer to a message or an event.
func (s *Sim) first(b *bot, a *answer, m Message, o out) {
	switch {
	case o.Type == "":
	case o.Type == "text" && m.Event == "enter_chat":
		s.show(Shown{Bot: b.ID, User: m.User, Chat: m.Chat, Text: o.Text.Content, Finished: true, Extra: true})
	case o.Type == "stream" && m.Type != "event":
		s.mu.Lock()
		if old := s.answers[m.ID]; old != nil { // it was delivered before
			if old.stream != o.Stream.ID {
				s.wrong = append(s.wrong, fmt.Sprintf("message %s was answered with two streams, %q and %q", m.ID, old.stream, o.Stream.ID))
			}
			s.mu.Unlock()
			return
		}
		a.stream = o.Stream.ID
		s.answers[m.ID] = a
		s.mu.Unlock()
		if a.stream == "" {
			s.violate("message %s: a stream without an id", m.ID)
			return
		}
		if !s.state(a, o) {
			go s.poll(b, a)
		}
	default:
		s.violate("message %s: %s is no answer to %s %s", m.ID, o.Type, m.Type, m.Event)
	}
}

// state takes a stream's newest state and reports whether it is the last.
func (s *Sim) state(a *answer, o out) (last bool) {
	if o.Type != "stream" || o.Stream.ID != a.stream {
		s.violate("message %s: a poll of stream %q was answered with %s %q", a.message, a.stream, o.Type, o.Stream.ID)
		return false
	}
	if n := len(o.Stream.Content); n > maxContent {
		s.violate("message %s: %d bytes of content; at most %d", a.message, n, maxContent)
		return false
	}
	s.mu.Lock()
	done := a.finished
	a.finished = a.finished || o.Stream.Finish
	s.mu.Unlock()
	if done {
		s.violate("message %s: a finished stream was changed", a.message)
		return true
	}
	s.show(Shown{Bot: a.bot, User: a.user, Chat: a.chat, Of: a.message, Text: o.Stream.Content, Finished: o.Stream.Finish})
	return o.Stream.Finish
}

// poll asks for a stream's state until it is finished or its time is over.
func (s *Sim) poll(b *bot, a *answer) {
	for s.opt.Now().Sub(a.since) < s.opt.Window {
		time.Sleep(s.opt.PollEvery)
		body := s.body(b, Message{ID: newID(), User: a.user, Chat: a.chat, Type: "stream", stream: a.stream}, nil)
		o, err := s.post(context.Background(), b, encode(body))
		if err != nil {
			continue // it asks again
		}
		if s.state(a, o) {
			return
		}
	}
	s.mu.Lock()
	a.over = true
	s.mu.Unlock()
}
