package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/chat"
	"parley/internal/llm"
)

// maxAnswer bounds the memory of one answer, in bytes; no model writes as much.
const maxAnswer = 4 << 20

// chunk is one value of the stream: a piece of the answer, or an error in any of the forms seen.
type chunk struct {
	goopenai.ChatCompletionStreamResponse
	fault
}

// failed: a code alone is an error only where nothing of an answer stands beside it.
func (c *chunk) failed() bool {
	return set(c.fault.Error) || set(c.ErrorCode) || set(c.Code) && len(c.Choices) == 0 && c.Usage == nil
}

// answer gathers a stream.
type answer struct {
	dialect  *llm.Dialect
	emit     func(string) error
	readers  *sync.Pool // as events has it
	said     said
	text     strings.Builder
	finish   llm.Finish
	reason   string // as the provider wrote it
	usage    chat.Usage
	cancel   context.CancelFunc // ends the call
	rest     *time.Timer        // calls it once a finish_reason arrived: from then on nothing can spoil the answer, and only the usage may be missing
	complete bool
	done     bool // [DONE]
}

// gather reads a stream to its end.
func (a *answer) gather(stream io.Reader) error {
	src := newEvents(stream, a.readers)
	defer src.end()
	err := a.read(src)
	if a.rest == nil {
		return err
	}
	if a.done {
		a.rest.Reset(endWait)
		_, _ = src.next() // reads the end, so that an HTTP/1.1 connection can carry the next call
	}
	a.rest.Stop()
	return err
}

// read consumes events until the stream ends. It fails unless a finish_reason arrived.
func (a *answer) read(src *events) error {
	for {
		ev, err := src.next()
		if err == nil {
			err = a.event(ev)
		}
		switch {
		case a.complete && (err != nil || a.done):
			return a.verdict()
		case errors.Is(err, io.EOF):
			return a.ended(src)
		case err != nil:
			return a.broken(err)
		}
	}
}

// ended explains a clean end without a finish_reason.
func (a *answer) ended(src *events) error {
	if stray := bytes.TrimSpace(src.stray.Bytes()); len(stray) > 0 {
		return a.strayError(stray)
	}
	if a.text.Len() == 0 {
		return chat.E(chat.Unavailable, op, errors.New("the stream ended without an answer"))
	}
	return chat.E(chat.Unavailable, op, fmt.Errorf("the stream ended after %d bytes without a finish_reason: the answer is cut", a.text.Len()))
}

func (a *answer) strayError(body []byte) error {
	var f fault
	if json.Unmarshal(body, &f) == nil && f.present() {
		return a.fail(200, f)
	}
	return chat.E(chat.Unavailable, op, errors.New("the provider answered 200 with something that is no event stream"))
}

// broken explains an error of the connection or of the form.
func (a *answer) broken(err error) error {
	if _, ok := errors.AsType[*chat.Error](err); ok || errors.Is(err, errEmit) {
		return err
	}
	return transportError(fmt.Errorf("the stream broke after %d bytes: %w", a.text.Len(), err))
}

// errEmit marks an error of the caller's emit.
var errEmit = errors.New("emit")

type emitError struct{ error }

func (emitError) Is(target error) bool { return target == errEmit }
func (e emitError) Unwrap() error      { return e.error }

func (a *answer) event(ev event) error {
	data := bytes.TrimSpace(ev.data)
	if len(data) == 0 {
		return nil
	}
	if string(data) == "[DONE]" {
		a.done = true
		if !a.complete {
			return chat.E(chat.Unavailable, op, errors.New("[DONE] came without a finish_reason: the answer is cut"))
		}
		return nil
	}
	if a.complete {
		a.late(data)
		return nil
	}
	if ev.name != "" || !a.said.scan(data) {
		var c chunk
		if err := json.Unmarshal(data, &c); err != nil {
			if ev.unfinished {
				return io.ErrUnexpectedEOF
			}
			return chat.E(chat.Unavailable, op, errors.New("a piece of the stream is no valid JSON of a completion"))
		}
		if c.failed() || ev.name == "error" {
			a.count(c.Usage)
			return a.fail(200, c.fault)
		}
		a.said = c.said()
	}
	a.count(a.said.usage)
	return a.take(&a.said)
}

// said is the chunk's first choice.
func (c *chunk) said() said {
	s := said{usage: c.Usage}
	for _, choice := range c.Choices {
		if choice.Index == 0 {
			// A refusal is the model's own answer in words, in a field of its own.
			s.text = []byte(choice.Delta.Content + choice.Delta.Refusal)
			s.thought = choice.Delta.ReasoningContent != ""
			s.finish = string(choice.FinishReason)
			break
		}
	}
	return s
}

func (a *answer) take(s *said) error {
	if a.text.Len()+len(s.text) > maxAnswer {
		return chat.E(chat.Unavailable, op, fmt.Errorf("the answer is longer than %d bytes", maxAnswer))
	}
	if len(s.text) > 0 || s.thought {
		from := a.text.Len()
		a.text.Write(s.text)
		if err := a.emit(a.text.String()[from:]); err != nil {
			return emitError{err}
		}
	}
	if s.finish == "" || s.finish == "null" {
		return nil
	}
	a.reason = s.finish
	a.finish = finishOf(a.dialect, a.reason)
	a.complete = true
	a.rest = time.AfterFunc(usageWait, a.cancel)
	return nil
}

// late reads what may follow a finish_reason: the usage.
func (a *answer) late(data []byte) {
	if a.said.scan(data) {
		a.count(a.said.usage)
		return
	}
	var c chunk
	if json.Unmarshal(data, &c) == nil {
		a.count(c.Usage)
	}
}

func (a *answer) count(u *goopenai.Usage) {
	if u == nil || u.PromptTokens <= 0 && u.CompletionTokens <= 0 {
		return
	}
	// A gateway's negative figures would take from other turns' sums.
	a.usage = chat.Usage{Input: max(0, u.PromptTokens), Output: max(0, u.CompletionTokens)}
	if d := u.PromptTokensDetails; d != nil {
		a.usage.Cached = max(0, d.CachedTokens)
	}
	if d := u.CompletionTokensDetails; d != nil {
		a.usage.Reasoning = max(0, d.ReasoningTokens)
	}
}

// verdict judges a finished stream.
func (a *answer) verdict() error {
	switch {
	case a.finish.Reason == "":
		return &chat.Error{Kind: a.finish.Kind, Op: op, Code: word(a.reason), Err: errors.New("the model did not finish its answer")}
	case strings.TrimSpace(a.text.String()) == "":
		return &chat.Error{Kind: chat.Unavailable, Op: op, Code: llm.CodeEmpty, Err: errors.New("the model finished without a word")}
	}
	return nil
}
