package openai

import (
	"strconv"

	"parley/internal/chat"
	"parley/internal/jsonstr"
)

// head is what every object of an answer begins with.
type head struct {
	id      string
	created int64
	model   string
}

func (h head) append(b []byte, object string) []byte {
	b = append(b, `{"id":`...)
	b = jsonstr.AppendQuoted(b, h.id)
	b = append(b, `,"object":"`...)
	b = append(b, object...)
	b = append(b, `","created":`...)
	b = strconv.AppendInt(b, h.created, 10)
	b = append(b, `,"model":`...)
	b = jsonstr.AppendQuoted(b, h.model)
	return append(b, `,"system_fingerprint":null,"choices":[`...)
}

// whole is an answer in one piece.
func (h head) whole(b []byte, r chat.Reply) []byte {
	b = h.append(b, "chat.completion")
	b = append(b, `{"index":0,"message":{"role":"assistant","content":`...)
	b = jsonstr.AppendQuoted(b, r.Text)
	b = append(b, `,"refusal":null},"logprobs":null,"finish_reason":`...)
	b = jsonstr.AppendQuoted(b, r.FinishReason)
	b = append(b, `}],"usage":`...)
	return append(appendUsage(b, r.Usage), '}')
}

func appendUsage(b []byte, u chat.Usage) []byte {
	number := func(name string, n int) {
		b = append(b, name...)
		b = strconv.AppendInt(b, int64(n), 10)
	}
	number(`{"prompt_tokens":`, u.Input)
	number(`,"completion_tokens":`, u.Output)
	number(`,"total_tokens":`, u.Input+u.Output)
	number(`,"prompt_tokens_details":{"cached_tokens":`, u.Cached)
	number(`},"completion_tokens_details":{"reasoning_tokens":`, u.Reasoning)
	return append(b, '}', '}')
}

// chunks makes the events of one answer's stream, all in one buffer: what a method returns is good until the next call.
type chunks struct {
	buf   []byte
	fixed int    // how much of buf every chunk begins with
	tail  string // what every chunk with a choice ends with
	usage bool   // the caller wants the usage
}

func newChunks(h head, usage bool) *chunks {
	c := &chunks{tail: "]}\n\n", usage: usage}
	if usage { // then every other chunk says that it has none
		c.tail = "],\"usage\":null}\n\n"
	}
	c.buf = h.append(append(make([]byte, 0, 512), "data: "...), "chat.completion.chunk")
	c.fixed = len(c.buf)
	return c
}

// piece is a piece of text; the first says whose it is, too.
func (c *chunks) piece(text string, first bool) []byte {
	b := append(c.buf[:c.fixed], `{"index":0,"delta":{`...)
	if first {
		b = append(b, `"role":"assistant","refusal":null,`...)
	}
	b = append(b, `"content":`...)
	b = jsonstr.AppendQuoted(b, text)
	b = append(b, `},"logprobs":null,"finish_reason":null}`...)
	c.buf = append(b, c.tail...)
	return c.buf
}

// end is why the answer ended, what it cost if the caller wants to know, and the end of the stream.
func (c *chunks) end(r chat.Reply) []byte {
	start := string(c.buf[:c.fixed])
	b := append(c.buf[:c.fixed], `{"index":0,"delta":{},"logprobs":null,"finish_reason":`...)
	b = jsonstr.AppendQuoted(b, r.FinishReason)
	b = append(append(b, '}'), c.tail...)
	if c.usage {
		b = append(append(b, start...), `],"usage":`...)
		b = append(appendUsage(b, r.Usage), "}\n\n"...)
	}
	c.buf = append(b, "data: [DONE]\n\n"...)
	return c.buf
}

// fail ends the stream with an error.
func (c *chunks) fail(f *failure) []byte {
	b := append(make([]byte, 0, 256), "data: "...)
	return append(f.body(b), '\n', '\n')
}
