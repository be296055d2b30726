package bot

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"

	"parley/internal/chat"
)

// maxFrame bounds what is read of one frame; true ones have a few KiB.
const maxFrame = 1 << 20

// The commands of a long connection's frames (document 101463).
const (
	cmdSubscribe = "aibot_subscribe"
	cmdPing      = "ping"
	cmdMessage   = "aibot_msg_callback"
	cmdEvent     = "aibot_event_callback"
	cmdRespond   = "aibot_respond_msg"
	cmdWelcome   = "aibot_respond_welcome_msg"
	cmdSend      = "aibot_send_msg"
)

// eventEvicted says that another connection took this one's place.
const eventEvicted = "disconnected_event"

// Codes on which the channel decides: a stream cannot be changed over this connection, or not any more.
const (
	codeStrangeReq = 846605
	codeExpired    = 846608
)

// frame is what goes either way. Answers have no command.
type frame struct {
	Cmd     string          `json:"cmd,omitempty"`
	Headers frameHeaders    `json:"headers"`
	Body    json.RawMessage `json:"body,omitempty"`
	Code    int64           `json:"errcode,omitempty"`
	Message string          `json:"errmsg,omitempty"`
}

type frameHeaders struct {
	Req string `json:"req_id"`
}

// subscription is the first frame.
type subscription struct {
	Bot    string `json:"bot_id"`
	Secret string `json:"secret"`
}

// push is a message that answers no frame.
type push struct {
	Chat string `json:"chatid"`
	Type int    `json:"chat_type"` // 1: a person, 2: a group
	markdown
}

// request is what a replica asks of the one that holds the connection.
type request struct {
	Cmd  string          `json:"cmd"`
	Req  string          `json:"req"`
	Body json.RawMessage `json:"body"`
}

// response is what came of it.
type response struct {
	Code    int64  `json:"code"`
	Message string `json:"msg,omitempty"`
	// Lost: the platform did not answer; Maybe: it may have got the frame.
	Lost  bool `json:"lost,omitempty"`
	Maybe bool `json:"maybe,omitempty"`
}

func codeText(code int64) string { return strconv.FormatInt(code, 10) }

// newReq names a frame that answers none.
func newReq(cmd string) string { return cmd + "_" + rand.Text() }

// redact takes a secret out of what the platform echoes.
func redact(s string, secret chat.Secret) string {
	if secret.IsZero() {
		return s
	}
	return strings.ReplaceAll(s, secret.Reveal(), secret.String())
}
