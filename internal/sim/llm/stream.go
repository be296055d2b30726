package llm

import (
	"io"
	"net/http"
)

func (c *completion) stream() Outcome {
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("X-Request-Id", c.id)
	if !c.flush() {
		return Cancelled
	}
	pause, first := c.pace.First, true
	for _, thought := range c.thoughts {
		if !c.wait(pause) {
			return Cancelled
		}
		pause = c.pace.Between
		c.reasoned += tokens(thought)
		c.event(piece{reasoning: thought, first: first})
		first = false
	}
	for i, text := range c.list {
		if c.strikes(i) {
			return c.strike()
		}
		if !c.wait(pause) {
			return Cancelled
		}
		pause = c.pace.Between
		c.sent += tokens(text)
		p := piece{text: text, first: first}
		if c.fault.Usage {
			p.usage = c.usage()
		}
		c.event(p)
		first = false
		if !c.flush() {
			return Cancelled
		}
	}
	if c.strikes(len(c.list)) {
		return c.strike()
	}
	return c.end()
}

func (c *completion) event(p piece) { c.write("data: " + c.s.spec.chunk(c, p) + "\n\n") }

func (c *completion) write(s string) { _, _ = io.WriteString(c.w, s) }

func (c *completion) flush() bool { return http.NewResponseController(c.w).Flush() == nil }

// strikes: an After beyond the answer's end strikes at the end.
func (c *completion) strikes(sent int) bool {
	switch c.fault.Kind {
	case FaultCut, FaultTruncate, FaultDone, FaultStall, FaultInline:
		return sent >= c.fault.After || sent == len(c.list)
	}
	return false
}

func (c *completion) strike() Outcome {
	switch c.fault.Kind {
	case FaultCut:
		c.abort()
	case FaultStall:
		c.flush()
		<-c.r.Context().Done()
	case FaultInline:
		c.write(": ping\n\ndata: " + c.s.spec.body(c.refusal(), c.id) + "\n\n")
	case FaultDone:
		c.write("data: [DONE]\n\n")
	}
	return Faulted
}

// abort breaks the connection.
func (c *completion) abort() {
	c.outcome = Faulted
	panic(http.ErrAbortHandler)
}

// end says why the answer ends, and what it cost.
func (c *completion) end() Outcome {
	outcome := Finished
	if c.fault.Kind == FaultFinish {
		c.finish, outcome = c.fault.Code, Faulted
	}
	tells := c.fault.Kind != FaultNoUsage && c.fault.Kind != FaultCutUsage
	last := piece{finish: c.finish}
	if c.s.spec.usageAlways && tells {
		last.usage = c.usage()
	}
	c.event(last)
	if c.fault.Kind == FaultCutUsage {
		c.flush()
		c.abort()
	}
	if o := c.req.StreamOptions; !c.s.spec.usageAlways && o != nil && o.IncludeUsage && tells {
		c.event(piece{onlyUsage: true, usage: c.usage()})
	}
	c.write("data: [DONE]\n\n")
	if c.r.Context().Err() != nil {
		return Cancelled
	}
	return outcome
}
