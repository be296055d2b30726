package dingtalk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// blockedFor is how long DingTalk blocks an address that went on asking beyond its limit; it answers with pages of its firewall then.
	blockedFor = 5 * time.Minute
	// overFor is how long to wait after one call too many.
	overFor = time.Second
	// floodFor is how long a conversation takes nothing after more than 20 messages in a minute.
	floodFor = time.Minute
)

// refusal is what the API says with a status that is not 200 (document "error codes of the new API").
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"status"` // of the firewall
}

// apiError judges an answer of the API whose status is not 200. Codes it does not know follow the status.
func apiError(op string, a answer) *chat.Error {
	var no refusal
	if a.blocked() {
		return errBlocked(op)
	}
	_ = json.Unmarshal(a.body, &no) // a gateway's page is none: then the status speaks
	e := chat.E(chat.Internal, op, errors.New(channel.Printable(no.Message)))
	e.Code = no.Code
	if e.Code == "" {
		e.Code, e.Err = fmt.Sprintf("http_%d", a.status), fmt.Errorf("HTTP status %d", a.status)
	}
	switch {
	case strings.Contains(no.Code, "QpsLimit") || a.status == http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = chat.RateLimited, overFor
	case no.Code == "InvalidAuthentication" || a.status == http.StatusUnauthorized:
		e.Kind = chat.Unauthenticated
	case strings.HasPrefix(no.Code, "invalidClientIdOrSecret") || no.Code == "invalidClientId" || no.Code == "authFailed":
		e.Kind = chat.Unauthenticated
	case a.status == http.StatusGatewayTimeout:
		e.Kind, e.Maybe = chat.Timeout, true
	case a.status >= http.StatusInternalServerError:
		e.Kind, e.Maybe = chat.Unavailable, true
	case a.status == http.StatusForbidden:
		e.Kind = chat.Forbidden
	case a.status == http.StatusNotFound:
		e.Kind = chat.NotFound
	case a.status == http.StatusRequestEntityTooLarge:
		e.Kind = chat.TooLarge
	case a.status == http.StatusBadRequest:
		e.Kind = chat.Invalid
	}
	return e
}

// ok reports whether the API answered at all, and with what was asked.
func (a answer) ok() bool { return a.status == http.StatusOK && !a.blocked() }

// blocked recognises the firewall, which answers in place of what was asked, with a page or a status of its own.
func (a answer) blocked() bool {
	var no refusal
	if err := json.Unmarshal(a.body, &no); err == nil {
		return no.Status == 1111
	}
	page := bytes.Contains(bytes.ToLower(a.body[:min(len(a.body), 1000)]), []byte("<html"))
	return page && a.status < http.StatusInternalServerError && a.status != http.StatusTooManyRequests
}

func errBlocked(op string) *chat.Error {
	e := chat.E(chat.RateLimited, op, errors.New("DingTalk blocks this address for a while: it was asked too often"))
	e.Code, e.RetryAfter = "blocked", blockedFor
	return e
}

// Codes of a sessionWebhook's answers, all with status 200.
const (
	hookBusy       = -1
	hookGone       = 300001 // session 不存在: expired, or never there
	hookLimit      = 90018
	hookFlood      = 130101
	hookFlood2     = 410100
	hookTooLong    = 460101
	hookTooLongOld = 101002
)

// webhookError judges a sessionWebhook's errcode.
func webhookError(code int64, message string) *chat.Error {
	e := chat.E(chat.Internal, "dingtalk.webhook", errors.New(channel.Printable(message)))
	e.Code = strconv.FormatInt(code, 10)
	switch code {
	case hookBusy:
		e.Kind, e.RetryAfter = chat.Overloaded, time.Second
	case hookGone:
		e.Kind = chat.NotFound
	case hookLimit:
		e.Kind, e.RetryAfter = chat.RateLimited, overFor
	case hookFlood, hookFlood2:
		e.Kind, e.RetryAfter = chat.RateLimited, floodFor
	case hookTooLong, hookTooLongOld:
		e.Kind = chat.TooLarge
	}
	return e
}

// hookError judges a sessionWebhook's answer as a whole; nil: shown.
func hookError(a answer) *chat.Error {
	const op = "dingtalk.webhook"
	var said struct {
		Code    *int64 `json:"errcode"`
		Message string `json:"errmsg"`
	}
	isJSON := json.Unmarshal(a.body, &said) == nil
	switch {
	case a.blocked():
		return errBlocked(op)
	case a.status == http.StatusOK && isJSON && said.Code != nil && *said.Code == 0:
		return nil
	case a.status == http.StatusOK && isJSON && said.Code != nil:
		return webhookError(*said.Code, said.Message)
	case a.status == http.StatusOK:
		e := chat.E(chat.Unavailable, op, errors.New("the answer is not DingTalk's: no errcode"))
		e.Maybe = true
		return e
	}
	return apiError(op, a)
}
