package wecom

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// errorOf is the table of WeCom's global error codes (document 90313): what each says about trying again. Codes it does not know are
// Internal: not tried again, and logged.
func errorOf(op string, code int64, message string) *chat.Error {
	e := chat.E(chat.Internal, op, errors.New(channel.Printable(message)+hint(code, message)))
	e.Code = strconv.FormatInt(code, 10)
	switch code {
	case -1: // system busy
		e.Kind, e.RetryAfter = chat.Overloaded, time.Second
	case codeNoToken, codeBadToken, codeOldToken:
		e.Kind, e.RetryAfter = chat.Unavailable, time.Second
	case 40001, 40013, 40091, 41002, 41004: // corp id or secret wrong or missing
		e.Kind = chat.Unauthenticated
	case 40056, 301002, 48002, 60011, codeStrangeIP: // the agent is not ours; no permission; this IP is not in the application's 可信IP list
		e.Kind = chat.Forbidden
	case 40201, 95011, 95012, 95017: // customer service: the account is banned; it is used elsewhere, or not by API
		e.Kind = chat.Forbidden
	case 40003, 46004, 60111, 81013, 82001: // no such user; all receivers invalid
		e.Kind = chat.NotFound
	case 40007, 95000, 95004: // no such file, or no longer; no such account of customer service
		e.Kind = chat.NotFound
	case 95002, 95013, CodeSession: // customer service: 48 h are over; the session has ended; it is a human's
		e.Kind = chat.NotFound
	case CodeQuota: // customer service: the customer must write first
		e.Kind, e.RetryAfter = chat.Overloaded, time.Minute
	case 40035, 40058, 44004, CodeMsgToken, 95016: // a parameter; empty content; a token of sync_msg; a change of state
		e.Kind = chat.Invalid
	case 45002:
		e.Kind = chat.TooLarge
	case 45009: // over the minute's limit; the shortest block
		e.Kind, e.RetryAfter = chat.RateLimited, time.Minute
	case 45033: // too many at once
		e.Kind, e.RetryAfter = chat.RateLimited, time.Second
	}
	return e
}

// Codes of customer service (微信客服) on which its channel decides. The platform's list names them; 95018's meaning is known from its message.
const (
	CodeQuota    = 95001 // five messages were sent since the customer wrote last
	CodeMsgToken = 95007 // sync_msg's token is wrong or older than ten minutes
	CodeSession  = 95018 // the session is not in a state in which the API may send
)

const codeStrangeIP = 60020

var fromIP = regexp.MustCompile(`from ip: ?([0-9A-Fa-f.:]+)`)

// hint says how to mend what an administrator of the platform must mend.
func hint(code int64, message string) string {
	switch code {
	case codeStrangeIP:
		ip := "this machine's address"
		if m := fromIP.FindStringSubmatch(message); m != nil {
			ip = strings.TrimRight(m[1], ".:")
		}
		return "; add " + ip + " to 企业可信IP on the application's page (应用管理 → the application → 开发者接口)"
	case 40001, 40091:
		return "; is the channel's secret the Secret of this very application?"
	case 40013:
		return "; is the channel's corp_id the 企业ID of 我的企业 → 企业信息?"
	case 95011, 95012, 95017:
		return "; open 应用管理 → 微信客服 and let this application call its API (可调用接口的应用)"
	}
	return ""
}

// The codes after which a new token helps: missing, invalid (revoked), expired.
const (
	codeNoToken  = 41001
	codeBadToken = 40014
	codeOldToken = 42001
)

func tokenRefused(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && (e.Code == strconv.Itoa(codeNoToken) || e.Code == strconv.Itoa(codeBadToken) || e.Code == strconv.Itoa(codeOldToken))
}
