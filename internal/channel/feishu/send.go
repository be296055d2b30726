package feishu

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"parley/internal/chat"
)

// posting is a message that is sent (documents "reply to a message", "send a message").
type posting struct {
	To      string `json:"receive_id,omitempty"` // a chat, where nothing is answered
	Form    string `json:"msg_type"`
	Content string `json:"content"`
	Thread  bool   `json:"reply_in_thread,omitempty"`
	UUID    string `json:"uuid"`
}

// Send implements channel.Channel.
func (b *bot) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	content, err := decodePart(p)
	if err != nil {
		return err
	}
	if content.First && b.cards {
		return b.sendFirst(ctx, m, content)
	}
	return b.sendPlain(ctx, addressOf(m), content)
}

// sendPlain sends a part in the best form that the platform takes. One uuid for all of them: it shows one at most.
func (b *bot) sendPlain(ctx context.Context, to address, p part) error {
	forms := []string{formCard, formPost, formText}
	if !b.cards {
		forms = forms[1:]
	}
	var last error
	for _, form := range forms {
		content, err := to.content(form, p.Text, p.First)
		if err != nil {
			return chat.E(chat.Internal, "feishu.send", err)
		}
		last = b.post(ctx, to, posting{Form: form, Content: content, UUID: p.UUID}, later)
		if kind := chat.KindOf(last); last == nil || !forGood(last) || kind != chat.Invalid && kind != chat.TooLarge {
			return last
		}
		b.log.Info("feishu: a message was refused in one form, trying the next", "tenant", b.tenant, "channel", b.name, "form", form, "err", last)
	}
	return last
}

// post sends a message as the answer to another, or into a chat.
func (b *bot) post(ctx context.Context, to address, p posting, most time.Duration) error {
	if err := b.api.budget.takeChat(ctx, to.Chat, most); err != nil {
		return err
	}
	if to.Message == "" {
		p.To = to.Chat
		return b.api.call(ctx, request{api: "send", method: http.MethodPost, path: pathMessages + "?receive_id_type=chat_id", in: p, most: most})
	}
	r := request{api: "reply", method: http.MethodPost, path: pathMessages + "/" + url.PathEscape(to.Message) + "/reply", most: most}
	p.Thread = to.Thread
	r.in = p
	err := b.api.call(ctx, r)
	if p.Thread && is(err, codeNoTopics, codeNoTopic, codeTopicGone) {
		p.Thread = false
		r.in = p
		err = b.api.call(ctx, r)
	}
	return err
}
