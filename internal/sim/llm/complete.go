package llm

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// complete answers in a frame of its own, so that the stack of a stream that waits is small.
func (s *Server) complete(w http.ResponseWriter, r *http.Request, key string) {
	if c := s.begin(w, r, key); c != nil {
		c.answer()
	}
}

// begin judges a request and prepares its answer; nil: it is refused.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, key string) *completion {
	req, err := readRequest(w, r)
	entry := req.entry(key, r.Header.Get("appid"))
	if err != nil {
		s.refuse(w, entry, complaint{s.spec.does.malformed, ""})
		return nil
	}
	if c := s.judge(req, entry); c.code != "" {
		s.refuse(w, entry, c)
		return nil
	}
	e, met, state := s.ledger.admit(entry, s.limits.Load().of(key))
	if s.spec.rateHeaders {
		state.tell(w.Header(), s.spec.retryAfter)
	}
	if met != none {
		d := s.spec.does
		code := map[limit]string{tooBusy: d.busy, tooManyRequests: d.requests, tooManyTokens: d.tokens}[met]
		s.ledger.say(e, code)
		s.writeRefusal(w, s.spec.refusal(complaint{code, ""}), e.ID)
		return nil
	}
	c := &completion{s: s, w: w, r: r, req: req, entry: e, pace: s.pace.Load().drawn(), fault: s.rules.strike(req.Model, entry.Last, key),
		id: s.spec.id(e.ID), created: e.At.Unix(), finish: "stop"}
	c.prepare()
	return c
}

func (c *completion) answer() {
	defer c.s.ledger.end(c.entry, c)
	c.outcome = Cancelled
	c.outcome = c.run()
}

// judge is all that a vendor finds wrong with a request before it looks at limits.
func (s *Server) judge(req *request, e Entry) complaint {
	if c := s.spec.check(req); c.code != "" {
		return c
	}
	if req.looks() && !sees(req.Model) {
		return complaint{s.spec.does.malformed, "messages"}
	}
	if s.models != nil && !s.models[req.Model] {
		return complaint{s.spec.does.model, req.Model}
	}
	if s.window > 0 && e.InputTokens > s.window {
		return complaint{s.spec.does.large, ""}
	}
	if req.RequestID != "" && !s.first(req.RequestID) {
		return complaint{"1231", req.RequestID}
	}
	return complaint{}
}

// refuse answers a call that never began.
func (s *Server) refuse(w http.ResponseWriter, e Entry, c complaint) {
	e.Code = c.code
	s.writeRefusal(w, s.spec.refusal(c), s.ledger.refuse(e).ID)
}

func (s *Server) writeRefusal(w http.ResponseWriter, r refusal, n int) {
	id := s.spec.id(n)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", id)
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(s.spec.body(r, id)))
}

// completion is one request on its way.
type completion struct {
	s        *Server
	w        http.ResponseWriter
	r        *http.Request
	req      *request
	entry    *Entry
	pace     Pace
	fault    Fault
	thoughts []string
	list     []string
	id       string
	created  int64
	finish   string
	sent     int // tokens of the answer
	reasoned int // tokens of the thoughts
	told     *Usage
	cached   int // tokens of the question
	outcome  Outcome
}

// prepare makes the answer, no longer than asked for, and lets go of the question: a hundred thousand may wait.
func (c *completion) prepare() {
	text := c.s.vendor.Sign(c.s.answer(c.req.Messages, *c.entry))
	c.list = pieces(text, c.pace.Chunks)
	if c.s.spec.thinks(c.req) {
		c.thoughts = pieces("问题是「"+c.entry.Last+"」。", 0)
	}
	if most := c.req.longest(); most > 0 {
		var over bool
		if c.list, over = cut(c.list, most); over {
			c.finish = "length"
		}
	}
	if c.s.spec.usageAlways {
		c.cached = c.req.cached()
	}
	c.req.Messages, c.req.fields = nil, nil
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
			body = c.s.spec.body(c.refusal(), c.id)
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

// refusal is the vendor's error of a fault's code, or its own failure.
func (c *completion) refusal() refusal {
	code := c.fault.Code
	if code == "" {
		code = c.s.spec.does.failure
	}
	c.s.ledger.say(c.entry, code)
	r := c.s.spec.refusal(complaint{code, "request"})
	if c.fault.Status != 0 {
		r.status = c.fault.Status
	}
	return r
}

func (c *completion) status() {
	if c.fault.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", fmt.Sprint(c.fault.RetryAfter))
	}
	r := c.refusal()
	if c.fault.Body != "" {
		c.w.WriteHeader(r.status)
		_, _ = c.w.Write([]byte(c.fault.Body))
		return
	}
	c.s.writeRefusal(c.w, r, c.entry.ID)
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

// usage is what the call has cost so far, and from now on what the caller was told.
func (c *completion) usage() *Usage {
	c.told = &Usage{Input: c.entry.InputTokens, Cached: c.cached, Output: c.sent + c.reasoned, Reasoning: c.reasoned}
	return c.told
}

// whole answers a request that wants no stream, after the time that a stream would have taken.
func (c *completion) whole() Outcome {
	if !c.wait(c.pace.First + c.pace.Between*time.Duration(max(0, len(c.list)-1))) {
		return Cancelled
	}
	text := strings.Join(c.list, "")
	c.sent, c.reasoned = tokens(text), tokens(c.thoughts...)
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = c.w.Write([]byte(c.s.spec.whole(c, text, c.finish)))
	return Finished
}
