package llm

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Vendor is whose API a simulator speaks: its addresses, keys, checks of requests, errors, limits and chunks. The zero value is [OpenAI].
type Vendor string

// The vendors.
const (
	OpenAI  Vendor = "openai"  // also any server that is compatible with it; takes calls below every path
	Azure   Vendor = "azure"   // OpenAI's models at Azure, by its v1 address and by deployments
	ChatGLM Vendor = "chatglm" // Zhipu's API v4
	ERNIE   Vendor = "ernie"   // Baidu's Qianfan v2
)

// Vendors lists them all.
func Vendors() []Vendor { return []Vendor{OpenAI, Azure, ChatGLM, ERNIE} }

// ParseVendor finds a vendor by its name.
func ParseVendor(name string) (Vendor, error) {
	if v := Vendor(name); slices.Contains(Vendors(), v) {
		return v, nil
	}
	return "", fmt.Errorf("no vendor %q; there are %v", name, Vendors())
}

// Path is the path of a base_url at this vendor.
func (v Vendor) Path() string { return v.spec().base }

// Sign is an answer as this vendor gives it: people see who speaks. OpenAI's is the text alone.
func (v Vendor) Sign(text string) string { return v.spec().who + text }

// Answer is [Answer] as this vendor gives it.
func (v Vendor) Answer(earlier int, last string) string { return v.Sign(Answer(earlier, last)) }

func (v Vendor) spec() *spec {
	switch v {
	case Azure:
		return azureSpec()
	case ChatGLM:
		return chatglmSpec()
	case ERNIE:
		return ernieSpec()
	default:
		return openaiSpec()
	}
}

// spec is how one vendor's API is spoken. The functions are told a request; none may be nil.
type spec struct {
	base string // before /chat/completions
	who  string // before each answer
	// takes reports whether chat completions have this path.
	takes func(path string) bool
	// key finds the key that a request shows among those known, or says by a code why it is refused. Without known keys any will do.
	key func(known map[string]bool, r *http.Request) (key, code string)
	// check judges a request; an empty code lets it pass.
	check func(*request) complaint
	// refusals are the vendor's errors by its own codes.
	refusals map[string]refusal
	does     does
	// body is an error as it stands in a response or a stream.
	body func(r refusal, id string) string
	// id names a call.
	id func(n int) string
	// chunk is one value of a stream, whole is a complete answer.
	chunk func(c *completion, p piece) string
	whole func(c *completion, text, finish string) string
	// usageAlways: it comes without asking, in the chunk that has the finish_reason; else in one of its own, if asked for.
	usageAlways bool
	// rateHeaders: limits are told with every answer; retryAfter: and how long to wait.
	rateHeaders, retryAfter bool
	// thinks: the model thinks before it answers this request.
	thinks func(*request) bool
}

// does is which of its codes a vendor uses for what every simulator refuses.
type does struct {
	path, malformed, model     string
	large                      string // more tokens than the window
	busy, requests, tokens     string // too many at once; too many requests or tokens in a minute
	failure, overload, arrears string
}

// refusal is one documented error of a vendor.
type refusal struct {
	status  int
	code    string
	typ     string
	message string // may hold %s for what is complained of
}

// complaint is what is wrong with a request: a code of the vendor's, and where.
type complaint struct{ code, at string }

// piece is what a chunk carries. An empty finish is none.
type piece struct {
	text, reasoning, finish string
	first                   bool
	usage                   *Usage
	onlyUsage               bool
}

// refusal finds an error by its code; one that the vendor does not document has the status 500.
func (s *spec) refusal(c complaint) refusal {
	r, ok := s.refusals[c.code]
	if !ok {
		r = refusal{status: http.StatusInternalServerError, typ: "simulated_error", message: "simulated"}
	}
	r.code = c.code
	if strings.Contains(r.message, "%s") {
		r.message = fmt.Sprintf(r.message, c.at)
	}
	return r
}

// bearer reads a bearer token.
func bearer(r *http.Request) (token string, ok bool) {
	token, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token, ok && token != ""
}

// lists reports whether a path is the list of models.
func (s *spec) lists(path string) bool {
	before, ok := strings.CutSuffix(path, "/models")
	return ok && s.takes(before+"/chat/completions")
}

// Codes lists the vendor's errors that a [Fault] can name, sorted; with another code it is no documented error.
func (v Vendor) Codes() []string { return slices.Sorted(maps.Keys(v.spec().refusals)) }
