package web

import (
	"bytes"
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
	// maxText is the most bytes of a message's text; the tenant's max_input is far below it.
	maxText = 60 << 10
	// maxSmall bounds what is posted besides messages.
	maxSmall = 4 << 10
	// acceptFor is within the 2 s in which a sender gets its 503.
	acceptFor = 1800 * time.Millisecond
)

// messageID is what a page may call a message.
var messageID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

type postedPicture struct {
	Data []byte `json:"data"`
}

// serveMessage takes one message in: {"id": chosen by the page, "text": …, "images": [{"data": base64}]}. 200 means stored; the same id again is
// stored once. Who is not signed in is refused before anything large is read.
func (c *Channel) serveMessage(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(w, r) || !isJSON(w, r) {
		return
	}
	v, ok := c.admit(w, r)
	if !ok {
		fail(w, chat.Unauthenticated, "sign in first: POST "+c.base+"/login")
		return
	}
	body, done, err := c.body(w, r)
	if err != nil {
		unreadable(w, err)
		return
	}
	defer done()
	var in struct {
		ID, Text string
		Images   []postedPicture
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&in); err != nil {
		unreadable(w, err)
		return
	}
	if in.ID == "" {
		in.ID = rand.Text()
	}
	in.Text = strings.TrimSpace(in.Text)
	images, err := pictures(in.Images)
	switch {
	case err != nil:
		fail(w, chat.KindOf(err), errors.Unwrap(err).Error())
		return
	case !messageID.MatchString(in.ID):
		fail(w, chat.Invalid, "id: 1 to 64 letters, digits, - or _")
		return
	case in.Text == "" && len(images) == 0:
		fail(w, chat.Invalid, "text: empty")
		return
	case len(in.Text) > maxText:
		fail(w, chat.TooLarge, fmt.Sprintf("text: at most %d bytes", maxText))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptFor)
	defer cancel()
	err = c.inbox.Accept(ctx, chat.Message{
		ID: storedID(v.id, in.ID), Conversation: c.key(v), User: v.id, Kind: chat.KindText, Text: in.Text, Images: images, Alone: true, SentAt: c.now().UTC(),
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

// read takes the small JSON body of a request of our own page, or answers why not.
func (c *Channel) read(w http.ResponseWriter, r *http.Request, into any) bool {
	if !sameOrigin(w, r) || !isJSON(w, r) {
		return false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSmall)).Decode(into); err != nil {
		unreadable(w, err)
		return false
	}
	return true
}

// isJSON refuses what a form of another site could send.
func isJSON(w http.ResponseWriter, r *http.Request) bool {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		failStatus(w, http.StatusUnsupportedMediaType, chat.Invalid, "Content-Type: use application/json")
		return false
	}
	return true
}

// unreadable answers a body that could not be taken.
func unreadable(w http.ResponseWriter, err error) {
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		fail(w, chat.TooLarge, fmt.Sprintf("the body has at most %d bytes", tooBig.Limit))
		return
	}
	if errors.Is(err, errCrowded) {
		fail(w, chat.Overloaded, err.Error()+"; send the message again with the same id")
		return
	}
	fail(w, chat.Invalid, "the body is not the JSON expected")
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
