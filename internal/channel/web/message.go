package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"parley/internal/chat"
)

const (
	maxBody = 64 << 10
	// acceptFor is within the 2 s in which a sender gets its 503.
	acceptFor = 1800 * time.Millisecond
)

// messageID is what a page may call a message.
var messageID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// serveMessage takes one message in: {"id": chosen by the page, "text": …}. 200 means stored; the same id again is stored once.
func (c *Channel) serveMessage(w http.ResponseWriter, r *http.Request) {
	var in struct{ ID, Text string }
	if !c.read(w, r, &in) {
		return
	}
	v, ok := c.admit(w, r)
	if !ok {
		fail(w, chat.Unauthenticated, "sign in first: POST "+c.base+"/login")
		return
	}
	if in.ID == "" {
		in.ID = rand.Text()
	}
	in.Text = strings.TrimSpace(in.Text)
	switch {
	case !messageID.MatchString(in.ID):
		fail(w, chat.Invalid, "id: 1 to 64 letters, digits, - or _")
		return
	case in.Text == "":
		fail(w, chat.Invalid, "text: empty")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptFor)
	defer cancel()
	err := c.inbox.Accept(ctx, chat.Message{
		ID: storedID(v.id, in.ID), Conversation: c.key(v), User: v.id, Kind: chat.KindText, Text: in.Text, SentAt: c.now().UTC(),
	})
	if err != nil {
		c.refuse(w, err)
		return
	}
	c.hub.tell(v.id, note{expect: in.ID})
	reply(w, http.StatusOK, map[string]string{"id": in.ID})
}

// refuse answers a message that was not stored. Whatever may work later is 503, so that the page offers to send it again.
func (c *Channel) refuse(w http.ResponseWriter, err error) {
	k := chat.KindOf(err)
	switch {
	case k == chat.RateLimited:
		fail(w, k, "too many messages; try again later")
	case k.Retryable(), k == chat.Internal, k == chat.Canceled:
		c.log.Warn("web: a message was not stored", slog.String("tenant", c.tenant), slog.String("channel", c.name), slog.Any("error", err))
		failStatus(w, http.StatusServiceUnavailable, k, "the message was not stored; send it again with the same id")
	default:
		fail(w, k, "the message was refused: "+k.String())
	}
}

// serveLogin changes a token for a cookie. A wrong one costs a second, and few may be tried at once: a token that people type may be short.
func (c *Channel) serveLogin(w http.ResponseWriter, r *http.Request) {
	var in struct{ Token string }
	if !c.read(w, r, &in) {
		return
	}
	if c.open {
		_, _ = c.admit(w, r)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	select {
	case c.logins <- struct{}{}:
		defer func() { <-c.logins }()
	default:
		fail(w, chat.RateLimited, "too many sign-ins at once; try again")
		return
	}
	d, ok := c.enter(strings.TrimSpace(in.Token))
	if !ok {
		select {
		case <-time.After(c.penalty):
		case <-r.Context().Done():
		}
		fail(w, chat.Unauthenticated, "the token is not valid")
		return
	}
	c.give(w, r, newVisitor(d))
	w.WriteHeader(http.StatusNoContent)
}

func (c *Channel) serveLogout(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(w, r) {
		return
	}
	c.forget(w, r)
	w.WriteHeader(http.StatusNoContent)
}

// read takes the JSON body of a request of our own page, or answers why not.
func (c *Channel) read(w http.ResponseWriter, r *http.Request, into any) bool {
	if !sameOrigin(w, r) {
		return false
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		failStatus(w, http.StatusUnsupportedMediaType, chat.Invalid, "Content-Type: use application/json")
		return false
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into)
	if err == nil {
		return true
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		fail(w, chat.TooLarge, fmt.Sprintf("a message has at most %d bytes", tooBig.Limit))
		return false
	}
	fail(w, chat.Invalid, "the body is not the JSON expected")
	return false
}

// sameOrigin refuses what another site's page sends. Browsers say where a request comes from; who is no browser carries no one's cookie.
func sameOrigin(w http.ResponseWriter, r *http.Request) bool {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		fail(w, chat.Forbidden, "requests from another site's page are refused")
		return false
	}
	return true
}

func (c *Channel) key(v visitor) chat.ConversationKey {
	return chat.ConversationKey{Tenant: c.tenant, Channel: c.name, ID: v.id}
}
