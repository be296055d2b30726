package llm

import (
	"context"
	"time"

	"parley/internal/chat"
)

// CodeEmpty is the code of the error (kind Unavailable) of a model that finished without a word. A question can bring that about, so another
// call may do better, but it does not count against the provider.
const CodeEmpty = "empty_answer"

// Provider is one vendor's API at one address. It is safe for concurrent use.
type Provider interface {
	// Complete makes one call and blocks until the answer is complete or failed. emit is called from this goroutine, in order, with each
	// piece of text; an empty piece is a sign of life (the model thinks). An error of emit ends the call and is returned as it is.
	//
	// Without an error the answer is complete: the provider said why it finished, and the text is not empty. With an error, that of emit
	// and of ctx included, the Answer holds what came until then: Text, the pieces that emit was given; Usage, if the provider told it;
	// no FinishReason. It is what the failed call cost, never to be shown as an answer. Errors but emit's are *chat.Error; RetryAfter
	// is set where the provider gave one. Complete has no deadline but ctx's, and makes no second attempt.
	Complete(ctx context.Context, c Call, emit func(text string) error) (Answer, error)
}

// Call is one request to a provider. The history already fits the model's window.
type Call struct {
	ID        string // unique for each call, attempts of a turn included
	Model     string
	System    string
	History   []chat.Turn
	Question  string
	Images    []chat.Picture // of the question
	Sampling  *chat.Sampling // nil: the provider's own
	MaxOutput int            // tokens; 0: the provider's default
	User      string         // hashed; empty: not told
	Key       chat.Secret
}

// Answer is a complete answer, or, beside an error, what came of one.
type Answer struct {
	Text         string
	FinishReason string // stop, length; empty beside an error
	// Usage is what the provider said; the zero value if it said nothing.
	Usage chat.Usage
}

// Endpoint is all that makes one provider's client different from another's. Equal endpoints share a client and its connections.
type Endpoint struct {
	Name           string
	Dialect        string
	BaseURL        string // the address before /chat/completions; may end in a query
	Auth           string // how the key is shown: one of route's Auth constants; empty: a bearer
	AppID          string // Qianfan's application; may be empty
	PriorKnowledge bool
	Connect        time.Duration // bounds the TCP connection, and again the TLS handshake
}

// Factory makes the client of an endpoint. If the result has a method Close(), it is called once the endpoint is no longer
// routed to; calls still running must go on.
type Factory func(Endpoint) (Provider, error)
