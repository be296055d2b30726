package feishu

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// selfKept is how long a bot's own id is remembered; it never changes.
	selfKept = 30 * 24 * time.Hour
	// selfWithin bounds the question for it, which goes on when the message that needs it has given up.
	selfWithin = 10 * time.Second
)

// self is the bot's own open_id. It is safe for concurrent use.
type self struct {
	mu     sync.Mutex
	id     string
	asking chan struct{} // closed when the question under way has its answer; nil: none is
	err    error         // of the last question
}

func (s *self) known() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// whoAmI gives the bot's own id, by which it knows that it is mentioned. It is asked for once, over all replicas. Its errors ask the platform to
// deliver again: nobody can tell yet whether the message is meant for the bot.
func (b *bot) whoAmI(ctx context.Context) (string, error) {
	b.self.mu.Lock()
	if b.self.id != "" {
		defer b.self.mu.Unlock()
		return b.self.id, nil
	}
	asking := b.self.asking
	if asking == nil {
		asking = make(chan struct{})
		b.self.asking = asking
		go b.askSelf(context.WithoutCancel(ctx), asking)
	}
	b.self.mu.Unlock()
	select {
	case <-asking:
	case <-ctx.Done():
		return "", chat.E(chat.Unavailable, "feishu.bot", errors.New("the bot's own id is not known yet"))
	}
	b.self.mu.Lock()
	defer b.self.mu.Unlock()
	if b.self.id == "" {
		return "", chat.E(chat.Unavailable, "feishu.bot", b.self.err)
	}
	return b.self.id, nil
}

func (b *bot) askSelf(ctx context.Context, asking chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, selfWithin)
	defer cancel()
	key := b.key("self", b.app)
	id, err := b.memo.Recall(ctx, key)
	if err != nil || !isID(id) {
		var got botInfo
		if got, err = caller(b.api.call).info(ctx); err == nil {
			id = got.Open
			_ = b.memo.Remember(ctx, key, id, selfKept) // else the next process asks again
		}
	}
	b.self.mu.Lock()
	defer b.self.mu.Unlock()
	if err == nil {
		b.self.id = id
	}
	b.self.err, b.self.asking = err, nil
	close(asking)
}

// quote adds what a message answers to. It is a help and no condition: what cannot be had soon is left. The bot's own words are in the history.
func (b *bot) quote(ctx context.Context, m *chat.Message, parent string) {
	var got struct {
		Items []struct {
			Type    string `json:"msg_type"`
			Deleted bool   `json:"deleted"`
			Sender  struct {
				Type string `json:"sender_type"`
				ID   string `json:"id"`
			} `json:"sender"`
			Body struct {
				Content string `json:"content"`
			} `json:"body"`
			Mentions []mention `json:"mentions"`
		} `json:"items"`
	}
	err := b.api.call(ctx, request{api: "message", method: http.MethodGet, path: pathMessages + "/" + url.PathEscape(parent), out: &got, most: now})
	if err != nil {
		b.metrics.unquoted.Inc()
		return
	}
	if len(got.Items) == 0 || got.Items[0].Deleted || got.Items[0].Sender.ID == b.app {
		return
	}
	it := got.Items[0]
	c := read(parent, it.Type, it.Body.Content, it.Mentions, b.self.known())
	m.Quote = c.text
	m.Images = append(m.Images, c.images...)
	m.Images = m.Images[:min(len(m.Images), chat.MaxImages)]
	if m.Kind == chat.KindUnsupported && len(m.Images) > 0 {
		m.Kind, m.Text = chat.KindText, ""
	}
}
