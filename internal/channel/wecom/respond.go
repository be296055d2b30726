package wecom

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/channel"
	"parley/internal/chat"
)

// RespondPath is where an AI bot's response_url leads (document 101138).
const RespondPath = "/cgi-bin/aibot/response"

// Responder posts to the response_urls of an AI bot's messages. It is safe for concurrent use.
type Responder struct {
	origin string
	http   *http.Client
}

// NewResponder makes one for WeCom at the origin. It follows no redirect.
func NewResponder(origin string, client *http.Client) *Responder {
	installTransport()
	return &Responder{origin: origin, http: channel.NoRedirects(client)}
}

// Allows says whether an address is a response_url of this platform. Whatever else a message names is not called.
func (r *Responder) Allows(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.User == nil && u.Opaque == "" && u.Fragment == "" && u.Path == RespondPath && u.RawPath == "" &&
		strings.HasPrefix(address, r.origin+RespondPath+"?")
}

// Post posts body to a response_url and blocks for 10 s at most. Errors are as [Client.Post]'s, Forbidden also for an address that is not
// allowed; none holds the address.
func (r *Responder) Post(ctx context.Context, address string, body []byte) error {
	const op = "wecom.respond"
	if !r.Allows(address) {
		return chat.E(chat.Forbidden, op, errors.New("response_url does not lead to platforms.wecom of client.yaml"))
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	ctx, x := withClient(ctx, r.http)
	answer, err := util.HTTPPostContext(ctx, address, body, map[string]string{"Content-Type": "application/json"})
	if err != nil {
		return x.lost(op, err)
	}
	code, message, ok := errcode(answer)
	if !ok {
		return x.lost(op, errors.New("the answer is not WeCom's: no errcode"))
	}
	return Refusal(op, code, hideQuery(message, address))
}

// Refusal is the error of an answer's errcode, as the platform's table has it; nil for 0.
func Refusal(op string, code int64, message string) error {
	if code == 0 {
		return nil
	}
	return errorOf(op, code, message)
}

// errcode reads an answer that holds nothing else of interest.
func errcode(answer []byte) (code int64, message string, ok bool) {
	var a struct {
		Code    *int64 `json:"errcode"`
		Message string `json:"errmsg"`
	}
	if json.Unmarshal(answer, &a) != nil || a.Code == nil {
		return 0, "", false
	}
	return *a.Code, a.Message, true
}

// hideQuery takes what an address's query grants out of a text.
func hideQuery(text, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return text
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if v != "" {
				text = strings.ReplaceAll(strings.ReplaceAll(text, url.QueryEscape(v), "***"), v, "***")
			}
		}
	}
	return text
}
