package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/silenceper/wechat/v2/work/message"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	sendPath = "/cgi-bin/message/send"
	// maxText is the platform's limit for text.content; it cuts what is longer without an error.
	maxText = 2048

	// WeCom drops a request that repeats an earlier one within duplicate_check_interval seconds (document 90236), which is what makes a
	// resend after a crash safe. It must not drop an equal answer to another question, so the interval itself varies between turns.
	// ASSUMPTION, not tried on the real platform: requests that differ in duplicate_check_interval alone are not repetitions.
	minInterval = 1800  // the default; what Resendable relies on
	maxInterval = 14399 // the limit is 4 h
	// repeatStep sets equal parts of one turn apart: the golden section of the range, so that the multiples stay far from each other and
	// from the intervals of the turns around (20 equal parts: 280 turns away).
	repeatStep = 7787
	// resendMargin covers clocks and the request's own way.
	resendMargin = 5 * time.Minute
)

// request is message/send's body for a text. The library's type sends the AgentID as a string where the platform wants a number.
type request struct {
	ToUser   string            `json:"touser"`
	Type     string            `json:"msgtype"`
	Agent    int64             `json:"agentid"`
	Text     message.TextField `json:"text"`
	Check    int               `json:"enable_duplicate_check"`
	Interval int64             `json:"duplicate_check_interval"`
}

// Parts implements channel.Channel: each part is the whole body of a message/send.
func (a *App) Parts(m chat.Message, text string, unique int64) ([]chat.Part, error) {
	texts := channel.Split(channel.TameText(text), maxText)
	if len(texts) == 0 {
		return nil, chat.E(chat.Invalid, "wecom.parts", errors.New("the reply holds nothing visible"))
	}
	parts := make([]chat.Part, 0, len(texts))
	seen := make(map[string]int64)
	for _, t := range texts {
		r := request{
			ToUser: m.User, Type: "text", Agent: a.agent, Text: message.TextField{Content: t},
			Check: 1, Interval: interval(unique, seen[t]),
		}
		seen[t]++
		var body bytes.Buffer
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			return nil, chat.E(chat.Internal, "wecom.parts", err)
		}
		parts = append(parts, bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	}
	return parts, nil
}

// interval gives turns next to each other different check intervals.
func interval(unique, repeat int64) int64 {
	const values = maxInterval - minInterval + 1
	n := (unique%values + repeat%values*repeatStep) % values
	if n < 0 {
		n += values
	}
	return minInterval + n
}

// Resendable implements channel.Channel: within the duplicate check's shortest interval the platform drops a second copy.
func (a *App) Resendable(age time.Duration) bool { return age < minInterval*time.Second-resendMargin }

// Send implements channel.Channel. It posts the part's very bytes.
func (a *App) Send(ctx context.Context, _ chat.Message, p chat.Part) error {
	const op = "wecom.send"
	var answer message.SendResponse
	if err := a.client.Post(ctx, sendPath, p, &answer); err != nil {
		return err
	}
	// errcode 0 also when nobody was reached.
	for _, refused := range []struct {
		code, users string
		kind        chat.Kind
		why         string
	}{
		{"invaliduser", answer.InvalidUser, chat.NotFound, "the user is not, or no longer, among those who see the application"},
		{"unlicenseduser", answer.UnlicensedUser, chat.Billing, "the user has no interface licence (接口许可)"},
	} {
		if refused.users != "" {
			e := chat.E(refused.kind, op, fmt.Errorf("not delivered: %s", refused.why))
			e.Code = refused.code
			return e
		}
	}
	return nil
}
