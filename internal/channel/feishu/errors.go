package feishu

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// The platform's codes that are more than their kind.
const (
	codeRecalled   = 230011   // the message that is answered was withdrawn
	codeNoTopics   = 230071   // the group has no topics
	codeNoTopic    = 230072   // the message can have none
	codeTopicGone  = 230019   // the topic was removed
	codeSequence   = 300317   // the card was changed by something later
	codeEnded      = 300309   // the card's streaming mode is off
	codeTooOld     = 200850   // it was ended by the platform, 10 min after it began
	codeScope      = 99991672 // the application lacks a permission; the text names it
	codeSomeScope  = 99991679
	codeFrequency  = 99991400 // over the API's limit
	codeChatPace   = 230020   // over the limit of a chat
	codeBadContent = 230099   // an envelope around what is wrong with a card
)

// kinds is what the platform's codes say about trying again (documents "general error codes", "reply to a message", "get resource files in
// messages", those of CardKit; 300309 and 200850 are in none and are those that others have met).
func kinds(code int64) (kind chat.Kind, after time.Duration, known bool) {
	switch code {
	case 10003, 10012, 10013, 10014, 10015, 99991543: // App ID or App Secret is wrong
		return chat.Unauthenticated, 0, true
	case 99991661, 99991663, 99991664, 99991665, 99991668, 99991671: // access token missing, expired, of another sort
		return chat.Unavailable, time.Second, true
	case codeFrequency, codeChatPace, 11232, 11233, 11247:
		return chat.RateLimited, time.Second, true
	case 200810, 230049: // somebody presses a button of the card; the same message is being sent
		return chat.Overloaded, time.Second, true
	case 300120, 190001, 190002, 190003, 1500, 1503, 5000:
		return chat.Unavailable, time.Second, true
	case codeScope, codeSomeScope, 99991401, 99991662, 99991673, 230006, 230027, 234009: // a permission, the IP allow-list, application stopped, no bot
		return chat.Forbidden, 0, true
	case 230002, codeRecalled, 230013, 230015, 230018, codeTopicGone, 230029, 230034, 230035, 230038, 230050, 230053, 230110, 230111, 232009, // nobody to show it to
		200740, 200750, 300311, // no such card, any more
		234003, 234004, 234040: // no such file
		return chat.NotFound, 0, true
	case 230025, 200860, 300305, 234037:
		return chat.TooLarge, 0, true
	case 230022, 230028: // the company's own rules
		return chat.Rejected, 0, true
	case 10002, 230001, 230017, 230054, 230055, codeNoTopics, codeNoTopic, 230075, codeBadContent, 200220, 200610, 200621, 200770, codeTooOld, 300121, 300122,
		300301, 300302, 300303, 300307, codeEnded, 300312, 300313, 300314, 300315, codeSequence, 234001, 234038, 234043, 99992402:
		return chat.Invalid, 0, true
	}
	return chat.Internal, 0, false
}

// errorOf judges an answer that is no success. Codes that are not known follow the status.
func errorOf(op string, status int, header http.Header, code int64, message string) *chat.Error {
	e := chat.E(chat.Internal, op, errors.New(channel.Printable(message)))
	e.Code = strconv.FormatInt(code, 10)
	kind, after, known := kinds(code)
	if e.Kind, e.RetryAfter = kind, after; known {
		if kind == chat.RateLimited {
			e.RetryAfter = reset(header)
		}
		e.Maybe = kind == chat.Unavailable && status >= http.StatusInternalServerError
		return e
	}
	if code == 0 {
		e.Code, e.Err = fmt.Sprintf("http_%d", status), fmt.Errorf("HTTP status %d", status)
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = chat.RateLimited, reset(header)
	case status >= http.StatusInternalServerError:
		e.Kind, e.Maybe = chat.Unavailable, true
	case status == http.StatusUnauthorized:
		e.Kind = chat.Unauthenticated
	case status == http.StatusForbidden:
		e.Kind = chat.Forbidden
	case status == http.StatusNotFound:
		e.Kind = chat.NotFound
	case status == http.StatusRequestEntityTooLarge:
		e.Kind = chat.TooLarge
	case status == http.StatusBadRequest:
		e.Kind = chat.Invalid
	}
	return e
}

// reset is how long the platform wants to be left alone (document "frequency control").
func reset(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-Ogw-Ratelimit-Reset"), 64)
	if err != nil || seconds <= 0 || seconds > 600 {
		return time.Second
	}
	return time.Duration(seconds * float64(time.Second))
}

// is reports whether err bears one of the platform's codes.
func is(err error, codes ...int64) bool {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if e.Code == strconv.FormatInt(code, 10) {
			return true
		}
	}
	return false
}

// tokenRefused reports whether another access token may help.
func tokenRefused(err error) bool {
	return is(err, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671)
}

// forGood reports whether an error says that the request was refused and would be again.
func forGood(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && !e.Maybe && !e.Kind.Retryable() && e.Kind != chat.Canceled
}
