package dingtalk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
)

// hookBody is what a sessionWebhook takes (document "robot reply and send messages").
type hookBody struct {
	Type     string        `json:"msgtype"`
	Text     *hookText     `json:"text,omitempty"`
	Markdown *hookMarkdown `json:"markdown,omitempty"`
	At       *mention      `json:"at,omitempty"`
}

type hookText struct {
	Content string `json:"content"`
}

type hookMarkdown struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// mention names who is notified; the text must say @ and the same id to show it.
type mention struct {
	Users     []string `json:"atUserIds,omitempty"`
	Strangers []string `json:"atDingtalkIds,omitempty"`
	All       bool     `json:"isAtAll"`
}

// The message templates of the API (document "message types sent by enterprise bots").
const (
	keyText     = "sampleText"
	keyMarkdown = "sampleMarkdown"
)

// proactive is a message that answers no webhook.
type proactive struct {
	Robot string   `json:"robotCode"`
	Users []string `json:"userIds,omitempty"`
	Group string   `json:"openConversationId,omitempty"`
	Key   string   `json:"msgKey"`
	Param string   `json:"msgParam"` // JSON of a hookText or a hookMarkdown
}

// Send implements channel.Channel.
func (r *robot) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	content, err := decodePart(p)
	if err != nil {
		return err
	}
	if content.Kind == partCard {
		return r.sendCard(ctx, m, content)
	}
	return r.sendText(ctx, addressOf(m), content)
}

// sendText sends by the message's webhook while that lives, else by the API. What the webhook refuses for good was shown to nobody.
func (r *robot) sendText(ctx context.Context, to address, p part) error {
	if to.live(r.webhooks, r.now()) {
		err := r.sendHook(ctx, to, p)
		if !forGood(err) || chat.KindOf(err) == chat.TooLarge {
			return err
		}
		r.log.Info("dingtalk: a sessionWebhook refused, the message goes by the API", "tenant", r.tenant, "channel", r.name, "err", err)
	}
	return r.sendProactive(ctx, to, p)
}

// forGood reports whether an error says that the request was refused and would be again.
func forGood(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && !e.Maybe && !e.Kind.Retryable() && e.Kind != chat.Canceled
}

func (r *robot) sendHook(ctx context.Context, to address, p part) error {
	const op = "dingtalk.webhook"
	body := hookBody{Type: p.Kind}
	text := p.Text
	if to.Group != "" && p.First {
		body.At = &mention{}
		if to.Staff != "" {
			body.At.Users = []string{to.Staff}
			text = "@" + to.Staff + " \n\n" + text
		} else {
			body.At.Strangers = []string{to.Sender}
		}
	}
	if p.Kind == partText {
		body.Text = &hookText{text}
	} else {
		body.Type, body.Markdown = partMarkdown, &hookMarkdown{title(p.Text), text}
	}
	raw, err := encode(body)
	if err != nil {
		return chat.E(chat.Internal, op, err)
	}
	a, err := r.api.send(ctx, op, http.MethodPost, to.Webhook, raw, nil)
	if err != nil {
		return err
	}
	if e := hookError(a); e != nil {
		e.Err = errors.New(channel.Redact(hide(e.Err.Error(), to.Webhook), r.api.secret))
		return e
	}
	return nil
}

// hide takes what a webhook's address grants out of a text.
func hide(text, webhook string) string {
	u, err := url.Parse(webhook)
	if err != nil {
		return text
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if v != "" {
				text = strings.ReplaceAll(text, v, chat.NewSecret(v).String())
			}
		}
	}
	return text
}

func (r *robot) sendProactive(ctx context.Context, to address, p part) error {
	const op = "dingtalk.send"
	q := proactive{Robot: r.code, Key: keyMarkdown}
	var content any = hookMarkdown{title(p.Text), p.Text}
	if p.Kind == partText {
		q.Key, content = keyText, hookText{p.Text}
	}
	param, err := encode(content)
	if err != nil {
		return chat.E(chat.Internal, op, err)
	}
	q.Param = string(param)
	path := pathGroup
	switch {
	case to.Group != "":
		q.Group = to.Group
	case to.Staff != "":
		path, q.Users = pathPerson, []string{to.Staff}
	default:
		return chat.E(chat.NotFound, op, errors.New("the sessionWebhook has expired, and who is not of the company can be reached by nothing else"))
	}
	var sent struct {
		Key     string   `json:"processQueryKey"`
		Invalid []string `json:"invalidStaffIdList"`
		Limited []string `json:"flowControlledStaffIdList"`
	}
	if err := r.api.call(ctx, http.MethodPost, path, q, &sent, later); err != nil {
		return err
	}
	switch {
	case slices.Contains(sent.Invalid, to.Staff):
		e := chat.E(chat.NotFound, op, errors.New("not delivered: the person does not see the application, or left"))
		e.Code = "invalidStaffId"
		return e
	case slices.Contains(sent.Limited, to.Staff):
		e := chat.E(chat.RateLimited, op, errors.New("not delivered: the person got too many messages of this robot"))
		e.Code, e.RetryAfter = "flowControlled", floodFor
		return e
	case sent.Key == "":
		return foreign(op)
	}
	return nil
}
