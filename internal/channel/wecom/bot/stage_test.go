package bot

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	"parley/internal/sim/wecom/bot"
)

// stage is a simulated WeCom with one bot, and what replicas of Parley share.
type stage struct {
	*testing.T
	sim    *bot.Sim
	origin string
	inbox  *channeltest.Inbox
	cache  *channeltest.Cache
	live   *board

	mu    sync.Mutex
	clock time.Duration // added to the time
}

// board is a channel.LiveReader.
type board struct {
	mu   sync.Mutex
	text map[chat.ConversationKey]chat.Live
}

func (b *board) ReadLive(_ context.Context, key chat.ConversationKey) (chat.Live, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.text[key]
	return l, ok, nil
}

func (b *board) write(m chat.Message, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text[m.Conversation] = chat.Live{Message: m.ID, Rev: 1, Text: text}
}

func newStage(t *testing.T, o bot.Options) *stage {
	t.Helper()
	if o.PollEvery == 0 {
		o.PollEvery = 20 * time.Millisecond
	}
	s := &stage{T: t, sim: bot.New(o), inbox: &channeltest.Inbox{}, cache: channeltest.NewCache(), live: &board{text: map[chat.ConversationKey]chat.Live{}}}
	platform := httptest.NewServer(s.sim.Handler())
	t.Cleanup(platform.Close)
	t.Cleanup(s.sim.Close)
	s.origin = platform.URL
	s.sim.At(s.origin)
	return s
}

func (s *stage) deps() channel.Deps {
	return channel.Deps{
		HTTP: &http.Client{Timeout: 5 * time.Second}, Inbox: s.inbox, Tokens: s.cache, Locks: s.cache, Lead: s.cache, Limits: s.cache, Memo: s.cache,
		Relay: s.cache, Live: s.live, Log: slog.New(slog.NewTextHandler(s.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), Now: s.now,
		Origins: channel.Origins{WeCom: s.origin, WeComBot: s.origin, WeComBotFiles: []string{s.origin}},
	}
}

func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.clock)
}

func (s *stage) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock += d
}

// callbacks makes replicas in callback mode, and the bot whose messages come to them.
func (s *stage) callbacks(n int, changes map[string]any) []*Callback {
	s.Helper()
	var replicas []*Callback
	var addresses []string
	for range n {
		c := newBot(s.T, s.deps(), changes).(*Callback)
		front := httptest.NewServer(channel.NewFront(func(tenant, name string) (channel.Channel, error) {
			if tenant == "acme" && name == "bot" {
				return c, nil
			}
			return nil, chat.E(chat.NotFound, "lookup", nil)
		}, s.deps()))
		s.Cleanup(front.Close)
		replicas, addresses = append(replicas, c), append(addresses, front.URL+"/callback/acme/bot")
	}
	s.add(bot.Bot{ID: testBot, Name: "小助手", Token: testToken, AESKey: testAESKey, Callbacks: addresses})
	return replicas
}

func (s *stage) add(b bot.Bot) {
	s.Helper()
	if err := s.sim.AddBot(b); err != nil {
		s.Fatal(err)
	}
}

// push has somebody do something, and returns the message that was accepted of it.
func (s *stage) push(m bot.Message) chat.Message {
	s.Helper()
	p, err := s.sim.Push(s.Context(), testBot, m)
	if err != nil {
		s.Fatal(err)
	}
	var got chat.Message
	s.eventually("the message is accepted", func() bool {
		for _, m := range s.inbox.Messages() {
			if m.ID == p.ID {
				got = m
				return true
			}
		}
		return false
	})
	return got
}

func (s *stage) say(user, text string) chat.Message {
	s.Helper()
	return s.push(bot.Message{User: user, Text: text})
}

// answer sends a reply as a turn does.
func (s *stage) answer(c channel.Channel, m chat.Message, text string) error {
	s.Helper()
	parts, err := c.Parts(m, text, 1)
	if err != nil {
		s.Fatal(err)
	}
	for _, p := range parts {
		if err := c.Send(s.Context(), m, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) eventually(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.Fatalf("never: %s", what)
}

// polled waits until the platform has asked how a message's stream goes on.
func (s *stage) polled(c *Callback, m chat.Message) {
	s.Helper()
	to, err := decodeAddress(m)
	s.must(err)
	s.eventually("the platform asks", func() bool {
		first, err := c.memo.Recall(s.Context(), c.key(to.Stream, "t"))
		return err == nil && first != ""
	})
}

// sees waits until the stream that answers a message shows a text in the end; more are what comes besides, in order.
func (s *stage) sees(m chat.Message, text string, finished bool, more ...string) {
	s.Helper()
	var state bot.Shown
	var extra []bot.Shown
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var ok bool
		if state, extra, ok = s.sim.Answer(m.ID); ok && state.Text == text && state.Finished == finished && len(extra) == len(more) {
			for i := range more {
				if extra[i].Text != more[i] {
					s.Fatalf("besides, the person sees %.300q, want %.300q", extra[i].Text, more[i])
				}
			}
			return
		}
	}
	s.Fatalf("the person sees %.300q (finished %v) and %d more, want %.300q (finished %v) and %d more",
		state.Text, state.Finished, len(extra), text, finished, len(more))
}

// clean says that the platform had nothing to object to.
func (s *stage) clean() {
	s.Helper()
	if wrong := s.sim.Violations(); len(wrong) > 0 {
		s.Errorf("the platform objects: %q", wrong)
	}
}

// closed are deps whose platform nobody listens at.
func (s *stage) closed() channel.Deps {
	d := s.deps()
	d.Origins.WeComBot = "ws://127.0.0.1:1"
	return d
}
