package kf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/silenceper/wechat/v2/util"
	"github.com/silenceper/wechat/v2/work/kf/sendmsg"
	"github.com/silenceper/wechat/v2/work/kf/sendmsgonevent"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

const (
	sendPath    = "/cgi-bin/kf/send_msg"
	onEventPath = "/cgi-bin/kf/send_msg_on_event"
	maxText     = 2048 // bytes of text.content
	// maxParts is how many messages the platform lets through after each of the customer's (document 94677).
	maxParts = 5
	// cutNote ends an answer that would need more. It says that it is a machine's, as the mark does that was cut off with the rest.
	cutNote   = "（AI 的回答较长，微信客服一次最多发 5 条，后面的还没有发。回复“继续”接着看。）"
	cutNoteEn = "(The AI's answer is longer; five messages at once is the most here. Reply \"continue\" for the rest.)"
	tailed    = 30 // characters of what was shown last, to go on from

	// resendable is how long a msgid is certainly known. ASSUMPTION, not tried on the real platform: a send_msg whose msgid it has seen is not
	// shown again. The document says what a msgid may hold and not for how long it counts.
	resendable = 25 * time.Minute
)

// part is one message to send. The body is posted in its very bytes.
type part struct {
	OnEvent bool            `json:"on_event,omitempty"`
	Body    json.RawMessage `json:"body"`
	// Tail is the end of what is shown of an answer that was cut here.
	Tail string `json:"tail,omitempty"`
}

// Parts implements channel.Channel.
func (k *KF) Parts(m chat.Message, text string, unique int64) ([]chat.Part, error) {
	const op = "wecomkf.parts"
	to, err := addressOf(m)
	if err != nil {
		return nil, chat.E(chat.Invalid, op, err)
	}
	texts, tail := k.limit(channel.Split(channel.TameText(text), maxText))
	if len(texts) == 0 {
		return nil, chat.E(chat.Invalid, op, errors.New("the reply holds nothing visible"))
	}
	if to.Code != "" {
		texts, tail = texts[:1], ""
	}
	parts := make([]chat.Part, 0, len(texts))
	for i, t := range texts {
		p := part{OnEvent: to.Code != ""}
		if i == len(texts)-1 {
			p.Tail = tail
		}
		if p.Body, err = encode(body(m, to, t, messageID(m, unique, i))); err != nil {
			return nil, chat.E(chat.Internal, op, err)
		}
		b, err := encode(p)
		if err != nil {
			return nil, chat.E(chat.Internal, op, err)
		}
		parts = append(parts, b)
	}
	return parts, nil
}

// body is the request of one message.
func body(m chat.Message, to address, text, id string) any {
	if to.Code != "" {
		b := sendmsgonevent.Text{Message: sendmsgonevent.Message{Code: to.Code, MsgID: id}, MsgType: "text"}
		b.Text.Content = text
		return b
	}
	b := sendmsg.Text{Message: sendmsg.Message{ToUser: m.User, OpenKFID: to.OpenKFID, MsgID: id}, MsgType: "text"}
	b.Text.Content = text
	return b
}

// limit leaves as many parts as the platform lets through, and says where the last ends if there were more.
func (k *KF) limit(texts []string) (kept []string, tail string) {
	if len(texts) <= maxParts {
		return texts, ""
	}
	last := channel.Split(texts[maxParts-1], maxText-len(k.cutNote)-2)[0]
	shown := []rune(strings.Join(strings.Fields(strings.TrimSuffix(last, "\n```")), " "))
	tail = string(shown[max(0, len(shown)-tailed):])
	return append(texts[:maxParts-1:maxParts-1], last+"\n\n"+k.cutNote), tail
}

// messageID names a part for the platform: equal for each of its repetitions, and for nothing else. At most 32 of [0-9a-zA-Z_-].
func messageID(m chat.Message, unique int64, i int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		m.Conversation.Tenant, m.Conversation.Channel, m.Conversation.ID, m.ID, strconv.FormatInt(unique, 10), strconv.Itoa(i),
	}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func addressOf(m chat.Message) (to address, err error) {
	if err := json.Unmarshal(m.Address, &to); err != nil || to.OpenKFID == "" {
		return to, errors.New("the message's address is not one of this channel")
	}
	return to, nil
}

// Resendable implements channel.Channel: a msgid is shown once.
func (k *KF) Resendable(age time.Duration) bool { return age < resendable }

// Send implements channel.Channel. When the customer's five messages are used up, the reply waits until the customer writes again: it is refused
// here, without a call, until then.
func (k *KF) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	const op = "wecomkf.send"
	to, err := addressOf(m)
	var out part
	if err == nil {
		err = json.Unmarshal(p, &out)
	}
	if err != nil {
		return chat.E(chat.Invalid, op, err)
	}
	path := sendPath
	if out.OnEvent {
		path = onEventPath
	} else if k.full(ctx, to.OpenKFID, m.User) {
		return k.waits(m)
	}
	var answer struct{ util.CommonError }
	err = k.client.Post(ctx, path, out.Body, &answer)
	if e, ok := errors.AsType[*chat.Error](err); ok && is(e, wecom.CodeQuota) {
		k.filled(ctx, to.OpenKFID, m.User)
		return k.waits(m)
	}
	if err == nil && out.Tail != "" {
		k.metrics.cuts.Inc()
		k.wasCut(ctx, to.OpenKFID, m.User, out.Tail)
	}
	return err
}

// waits is the error of a reply for which the customer must write first. It is tried again soon at first, for who writes again, and later seldom.
func (k *KF) waits(m chat.Message) error {
	e := chat.E(chat.Overloaded, "wecomkf.send", fmt.Errorf("the platform lets %d messages through after each of the customer's; this one waits for the next", maxParts))
	e.Code = strconv.Itoa(wecom.CodeQuota)
	e.RetryAfter = min(max(k.now().Sub(m.SentAt)/8, 10*time.Second), 2*time.Minute)
	return e
}

func is(e *chat.Error, code int) bool { return e.Code == strconv.Itoa(code) }

// clip bounds text that is passed on.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
