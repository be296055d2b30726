package llm

import (
	"slices"
	"strings"
	"sync"
)

// Rule makes matching requests fail. The first rule that matches and is not used up decides. Empty conditions match everything.
type Rule struct {
	Model    string `json:"model,omitempty"`    // equal
	Contains string `json:"contains,omitempty"` // in the last user message
	Key      string `json:"key,omitempty"`      // the key's fingerprint
	Times    int    `json:"times,omitempty"`    // how often it may strike; 0: always
	Every    int    `json:"every,omitempty"`    // strikes each n-th match; 0, 1: every
	Fault    Fault  `json:"fault"`
}

// Fault is what a rule does.
type Fault struct {
	Kind       FaultKind `json:"kind"`
	Status     int       `json:"status,omitempty"`      // for status; 0: as the vendor documents it for Code
	Code       string    `json:"code,omitempty"`        // the vendor's code of an error: for status, body and inline; finish_reason for finish
	RetryAfter int       `json:"retry_after,omitempty"` // header, in seconds
	Body       string    `json:"body,omitempty"`        // for body, and in place of status's own
	After      int       `json:"after,omitempty"`       // chunks before the fault, for the kinds within a stream
	Usage      bool      `json:"usage,omitempty"`       // every chunk tells the usage so far, as some servers do
}

// FaultKind names the ways to fail.
type FaultKind string

// The kinds. Those from cut on happen within a stream.
const (
	FaultStatus   FaultKind = "status"    // an HTTP error
	FaultHang     FaultKind = "hang"      // no header ever
	FaultBody     FaultKind = "body"      // 200 with a JSON error and no stream
	FaultCut      FaultKind = "cut"       // the connection breaks
	FaultTruncate FaultKind = "truncate"  // a clean end without finish_reason and [DONE]
	FaultDone     FaultKind = "done"      // [DONE] without a finish_reason
	FaultStall    FaultKind = "stall"     // silence after the chunks
	FaultInline   FaultKind = "inline"    // an error event
	FaultFinish   FaultKind = "finish"    // another finish_reason: Code
	FaultNoUsage  FaultKind = "no_usage"  // complete, but without usage
	FaultCutUsage FaultKind = "cut_usage" // the connection breaks between the finish_reason and the usage
	FaultEmpty    FaultKind = "empty"     // complete, but without text
)

// rules is the list in force with the counters of its rules.
type rules struct {
	mu   sync.Mutex
	list []Rule
	seen []int
	hits []int
}

func (r *rules) get() []Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *rules) set(list []Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, r.seen, r.hits = slices.Clone(list), make([]int, len(list)), make([]int, len(list))
}

// strike returns the fault of a request; the zero Fault is none.
func (r *rules) strike(model, last, key string) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, x := range r.list {
		if x.Model != "" && x.Model != model || x.Key != "" && x.Key != key || !strings.Contains(last, x.Contains) {
			continue
		}
		if x.Times > 0 && r.hits[i] >= x.Times {
			continue
		}
		r.seen[i]++
		if x.Every > 1 && r.seen[i]%x.Every != 0 {
			continue
		}
		r.hits[i]++
		return x.Fault
	}
	return Fault{}
}
