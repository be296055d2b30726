package rpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

// script is a handler that does what the question says: "echo", "count N GAP", "until FILE" (which goes on until the file stands), "silent",
// "fail KIND", "panic", "nothing", "big N", "see", and "blind", which overlooks pictures as a server of an older release does.
type script struct{ canceled atomic.Int64 }

func (s *script) Complete(ctx context.Context, req chat.Request, emit func(chat.Event) error) error {
	start := chat.Start{Provider: "p", Model: req.Model, Revision: "r1", Images: len(req.Images)}
	if req.Question == "blind" {
		start.Images = 0
	}
	if err := emit(chat.Event{Kind: chat.Started, Start: start}); err != nil {
		return err
	}
	var n int
	var gap time.Duration
	var word string
	switch {
	case req.Question == "panic":
		panic("as asked")
	case req.Question == "nothing":
		return nil
	case req.Question == "see":
		text := ""
		for _, p := range req.Images {
			text += fmt.Sprintf("%s %d ", p.Type, len(p.Data))
		}
		return finish(emit, text)
	case req.Question == "silent":
		<-ctx.Done()
		s.canceled.Add(1)
		return ctx.Err()
	case scan(req.Question, "fail %s", &word):
		return &chat.Error{Kind: chat.ParseKind(word), Op: "test", Code: "45009", RetryAfter: 1500 * time.Millisecond, Err: errors.New("as asked: 好")}
	case scan(req.Question, "big %d", &n):
		return finish(emit, strings.Repeat("x", n))
	case scanCount(req.Question, &n, &gap):
		return s.count(ctx, emit, gap, func(i int) bool { return i < n })
	case scan(req.Question, "until %s", &word):
		return s.count(ctx, emit, 10*time.Millisecond, func(int) bool { _, err := os.Stat(word); return err != nil })
	default:
		return finish(emit, "echo "+req.Question)
	}
}

func (s *script) count(ctx context.Context, emit func(chat.Event) error, gap time.Duration, more func(int) bool) error {
	var all string
	for i := 0; more(i); i++ {
		word := fmt.Sprintf("%d ", i)
		all += word
		if err := emit(chat.Event{Kind: chat.Delta, Text: word}); err != nil {
			s.canceled.Add(1) // a call that ended is seen here or below, whichever comes first
			return err
		}
		select {
		case <-ctx.Done():
			s.canceled.Add(1)
			return ctx.Err()
		case <-time.After(gap):
		}
	}
	return finish(emit, all)
}

func finish(emit func(chat.Event) error, text string) error {
	return emit(chat.Event{Kind: chat.Finished, Reply: chat.Reply{
		Text: text, FinishReason: "stop", Usage: chat.Usage{Input: 10, Cached: 4, Output: 3, Reasoning: 1, Estimated: true},
		QuestionTokens: 5, AnswerTokens: 3,
	}})
}

func scan(text, format string, values ...any) bool {
	n, err := fmt.Sscanf(text, format, values...)
	return err == nil && n == len(values)
}

func scanCount(text string, n *int, gap *time.Duration) bool {
	var word string
	if !scan(text, "count %d %s", n, &word) {
		return false
	}
	d, err := time.ParseDuration(word)
	*gap = d
	return err == nil
}
