package llm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type request struct {
	Model         string    `json:"model"`
	Messages      []Message `json:"messages"`
	Stream        bool      `json:"stream"`
	User          string    `json:"user"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// maxRequest bounds a request's body, in bytes.
const maxRequest = 16 << 20

func (s *Server) complete(w http.ResponseWriter, r *http.Request, key string) {
	var req request
	// Read to the end: only behind the body does net/http notice that the caller went away.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	entry := Entry{Key: key, Model: req.Model, User: req.User, Stream: req.Stream, Messages: len(req.Messages)}
	for _, m := range req.Messages {
		entry.InputTokens += tokens(m.Content)
		switch m.Role {
		case "system":
			entry.System = m.Content
		case "user":
			entry.Earlier++
			entry.Last = m.Content
		}
	}
	entry.Earlier--
	e := s.ledger.begin(entry)
	if err != nil || entry.Earlier < 0 || req.Model == "" {
		s.ledger.end(e, Refused, "", 0)
		writeError(w, http.StatusBadRequest, "invalid_request_error", "malformed")
		return
	}
	c := &completion{w: w, r: r, req: req, pace: *s.pace.Load(), fault: s.rules.strike(req.Model, entry.Last, key),
		id: fmt.Sprintf("chatcmpl-%d", e.ID), created: e.At.Unix(), input: entry.InputTokens}
	c.list = pieces(s.answer(req.Messages, entry), c.pace.Chunks)
	defer func() { s.ledger.end(e, c.outcome, c.fault.Kind, c.sent) }()
	c.outcome = Cancelled
	c.outcome = c.run()
}

// completion is one request on its way.
type completion struct {
	w       http.ResponseWriter
	r       *http.Request
	req     request
	pace    Pace
	fault   Fault
	list    []string
	id      string
	created int64
	input   int
	sent    int // tokens
	outcome Outcome
}

// run answers and tells how it ended. FaultCut leaves by the panic that net/http understands.
func (c *completion) run() Outcome {
	switch c.fault.Kind {
	case FaultStatus:
		c.status()
		return Faulted
	case FaultHang:
		<-c.r.Context().Done()
		return Faulted
	case FaultBody:
		body := c.fault.Body
		if body == "" {
			body = errorBody("server_error", c.fault.Code)
		}
		c.w.Header().Set("Content-Type", "application/json")
		_, _ = c.w.Write([]byte(body))
		return Faulted
	case FaultEmpty:
		c.list = nil
	}
	if !c.req.Stream {
		return c.whole()
	}
	return c.stream()
}

func (c *completion) status() {
	if c.fault.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", fmt.Sprint(c.fault.RetryAfter))
	}
	status := c.fault.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if c.fault.Body != "" {
		c.w.WriteHeader(status)
		_, _ = c.w.Write([]byte(c.fault.Body))
		return
	}
	writeError(c.w, status, "simulated_error", c.fault.Code)
}

// wait sleeps; false: the caller went away.
func (c *completion) wait(d time.Duration) bool {
	if d <= 0 {
		return c.r.Context().Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

func (c *completion) stream() Outcome {
	c.w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(c.w).Flush
	if flush() != nil {
		return Cancelled
	}
	pause := c.pace.First
	for i, piece := range c.list {
		if c.strikes(i) {
			return c.strike()
		}
		if !c.wait(pause) {
			return Cancelled
		}
		pause = c.pace.Between
		c.event(`{"index":0,"delta":{"content":`+quote(piece)+`},"finish_reason":null}`, "null")
		c.sent += tokens(piece)
		if flush() != nil {
			return Cancelled
		}
	}
	if c.strikes(len(c.list)) {
		return c.strike()
	}
	return c.end()
}

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
		c.outcome = Faulted
		panic(http.ErrAbortHandler)
	case FaultStall:
		_ = http.NewResponseController(c.w).Flush()
		<-c.r.Context().Done()
	case FaultInline:
		_, _ = c.w.Write([]byte(": ping\n\ndata: " + errorBody("server_error", c.fault.Code) + "\n\n"))
	case FaultDone:
		_, _ = c.w.Write([]byte("data: [DONE]\n\n"))
	}
	return Faulted
}

func (c *completion) end() Outcome {
	reason, outcome := "stop", Finished
	if c.fault.Kind == FaultFinish {
		reason, outcome = c.fault.Code, Faulted
	}
	c.event(`{"index":0,"delta":{},"finish_reason":`+quote(reason)+`}`, "null")
	if c.req.StreamOptions.IncludeUsage && c.fault.Kind != FaultNoUsage {
		c.event("", c.usage())
	}
	if _, err := c.w.Write([]byte("data: [DONE]\n\n")); err != nil || c.r.Context().Err() != nil {
		return Cancelled
	}
	return outcome
}

func (c *completion) usage() string {
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, c.input, c.sent, c.input+c.sent)
}

func (c *completion) event(choice, usage string) {
	_, _ = fmt.Fprintf(c.w, "data: {\"id\":%q,\"object\":\"chat.completion.chunk\",\"created\":%d,\"model\":%s,\"choices\":[%s],\"usage\":%s}\n\n",
		c.id, c.created, quote(c.req.Model), choice, usage)
}

// whole answers a request that wants no stream, after the time that a stream would have taken.
func (c *completion) whole() Outcome {
	if !c.wait(c.pace.First + c.pace.Between*time.Duration(max(0, len(c.list)-1))) {
		return Cancelled
	}
	text := strings.Join(c.list, "")
	c.sent = tokens(text)
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(c.w, `{"id":%q,"object":"chat.completion","created":%d,"model":%s,"choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":%s}`,
		c.id, c.created, quote(c.req.Model), quote(text), c.usage())
	return Finished
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
