package conversation_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// strict is a moderator that forbids a word in each direction, replaces what it finds soft, and lets partial text through but for the word's own letter.
type strict struct {
	mu     sync.Mutex
	judged []chat.Passage
	whole  bool // nothing is shown before the answer is whole
}

func (s *strict) Judge(_ context.Context, p chat.Passage) chat.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged = append(s.judged, p)
	switch {
	case strings.Contains(p.Text, "bad"):
		return chat.Verdict{Refused: true, By: "words", Result: "refused"}
	case strings.Contains(p.Text, "soft"):
		other := strings.ReplaceAll(p.Text, "soft", "hard")
		return chat.Verdict{Replace: &other, By: "hook", Result: "replaced"}
	}
	return chat.Verdict{By: "words", Result: "allowed"}
}

func (s *strict) Filter() chat.Filter { return &strictFilter{whole: s.whole} }

type strictFilter struct {
	whole bool
	held  string
}

func (f *strictFilter) Add(text string) (string, bool) {
	if f.whole {
		return "", false
	}
	text = f.held + text
	f.held = ""
	if strings.Contains(text, "bad") {
		return "", true
	}
	if i := strings.LastIndex(text, "b"); i >= 0 && len(text)-i < 3 {
		text, f.held = text[:i], text[i:]
	}
	return text, false
}

func (f *strictFilter) End() (string, bool) { return f.held, false }

func (s *strict) of(o *conversation.Options) {
	o.Moderation = func(string) chat.Moderator { return s }
}

// says is a model that says pieces, one each second, and tells what became of each call.
type says struct {
	mu     sync.Mutex
	pieces []string
	asked  []chat.Request
	ended  []error
}

func (m *says) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (reply chat.Reply, err error) {
	m.mu.Lock()
	m.asked = append(m.asked, req)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended = append(m.ended, err)
	}()
	start := chat.Start{Provider: "sim", Model: "m"}
	emit(chat.Event{Kind: chat.Started, Start: start})
	for _, p := range m.pieces {
		emit(chat.Event{Kind: chat.Delta, Text: p})
		select {
		case <-ctx.Done():
			return reply, chat.E(chat.Canceled, "test", ctx.Err())
		case <-time.After(time.Second):
		}
	}
	u := chat.Usage{Input: 3, Output: 4}
	emit(chat.Event{Kind: chat.Spent, Spend: chat.Spend{Provider: "sim", Model: "m", Usage: u}})
	return chat.Reply{Start: start, Text: strings.Join(m.pieces, ""), FinishReason: "stop", Usage: u}, nil
}

const refusedText = "抱歉，这条消息或它的回答包含不允许的内容，无法显示。"

// TestModeration: what a rule refuses no model sees and nobody reads, and the history knows nothing of it.
func TestModeration(t *testing.T) {
	for name, tc := range map[string]struct {
		pieces   []string
		question string
		sent     string   // the reply
		asks     string   // what the model was asked; empty: nothing
		cards    []string // what was shown before
		history  int      // turns that the next question has
		counts   map[string]string
	}{
		"fine": {[]string{"a ", "be", "e "}, "q", "a bee ", "q", []string{"0s a ", "2s a bee ", "3s sent"}, 1,
			map[string]string{"direction": "output", "result": "allowed"}},
		"the question": {[]string{"a"}, "a bad one", refusedText, "", []string{"0s sent"}, 0, map[string]string{"direction": "input", "result": "refused", "by": "words"}},
		"the answer": {[]string{"a ", "b", "ad word", "more"}, "q", refusedText, "q", []string{"0s a ", "2s sent"}, 0,
			map[string]string{"direction": "output", "result": "refused", "by": "words"}},
		"another question": {[]string{"a"}, "soft", "a", "hard", nil, 1, map[string]string{"direction": "input", "result": "replaced", "by": "hook"}},
		"another answer":   {[]string{"soft"}, "q", "hard", "q", nil, 1, map[string]string{"direction": "output", "result": "replaced", "by": "hook"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				out := w.cards(500 * time.Millisecond)
				m := &says{pieces: tc.pieces}
				reg := prometheus.NewRegistry()
				rules := &strict{}
				p := w.start(func(o *conversation.Options) { o.Complete, o.Metrics = m, reg; rules.of(o) })
				w.say(p, "1", tc.question)
				settle(time.Minute)
				if all := w.out.texts(); len(all) != 1 || all[0] != tc.sent {
					t.Errorf("sent %q, want %q", all, tc.sent)
				}
				if diff := cmp.Diff(tc.cards, out.log()); tc.cards != nil && diff != "" {
					t.Errorf("shown (-want +got):\n%s", diff)
				}
				if n := counter(t, reg, "parley_moderation_total", tc.counts); n != 1 {
					t.Errorf("%v counted", n)
				}
				if tc.asks == "" {
					if len(m.asked) > 0 {
						t.Error("the model was asked")
					}
				} else if m.asked[0].Question != tc.asks {
					t.Errorf("the model was asked %q", m.asked[0].Question)
				}
				if name == "the answer" && m.ended[0] == nil {
					t.Error("the provider's stream went on")
				}
				m.pieces = []string{"x"}
				w.say(p, "2", "next")
				settle(time.Minute)
				if n := len(m.asked[len(m.asked)-1].History); n != tc.history {
					t.Errorf("the history has %d turns", n)
				}
			})
		})
	}
}

// TestModerationOfPrograms: their requests are judged with all that they say was said before, and answers end where a forbidden word would begin.
func TestModerationOfPrograms(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		m := &says{pieces: []string{"a ", "b", "ad word", "more"}}
		rules := &strict{}
		p := w.start(func(o *conversation.Options) { o.Complete = m; rules.of(o) })
		ask := func(req chat.Request) (text string, end chat.Reply, err error) {
			var b strings.Builder
			err = p.Direct(t.Context(), req, func(e chat.Event) {
				switch e.Kind {
				case chat.Delta:
					b.WriteString(e.Text)
				case chat.Finished:
					end = e.Reply
				default:
				}
			})
			return b.String(), end, err
		}
		text, end, err := ask(want("q"))
		if err != nil || text != "a " || end.FinishReason != "content_filter" || end.Text != "" || end.Usage.Output == 0 {
			t.Errorf("%q, %+v, %v", text, end, err)
		}
		m.pieces = []string{"bad from the first"}
		_, _, err = ask(want("q"))
		_ = refused(t, err, chat.Rejected, chat.CodeModerated)
		m.pieces = []string{"a ", "be", "e and b"}
		if text, end, err := ask(want("q")); err != nil || text != "a bee and b" || end.FinishReason != "stop" {
			t.Errorf("%q, %+v, %v", text, end, err)
		}
		asked := len(m.asked)
		old := want("q")
		old.History = []chat.Turn{{Question: "q", Answer: "bad"}}
		_, _, err = ask(old)
		_ = refused(t, err, chat.Rejected, chat.CodeModerated)
		if len(m.asked) != asked {
			t.Error("a model was asked")
		}
		rules.whole = true
		m.pieces = []string{"a ", "b"}
		if text, end, err := ask(want("q")); err != nil || text != "" || end.Text != "a b" {
			t.Errorf("judged as a whole: %q, %+v, %v", text, end, err)
		}
	})
}
