package llm

import (
	"time"

	"parley/internal/chat"
)

// Dialect is how a vendor departs from OpenAI's chat completions. The zero value is OpenAI itself. It is data: made once, then only
// read.
type Dialect struct {
	// Kinds classifies the vendor's own error codes and error types, before OpenAI's.
	Kinds map[string]chat.Kind
	// Finish translates the vendor's own finish reasons, before the common ones.
	Finish map[string]Finish
	// NoStreamOptions: usage comes without asking, and stream_options is refused.
	NoStreamOptions bool
	// UserField carries Call.User; empty: "user".
	UserField string
	// MaxTokens is the one field that bounds the answer; empty: OpenAI's choice by model.
	MaxTokens string
	// MaxOutput is the most tokens that a model writes, by the longest prefix of its name; asking for more is refused there. A model
	// that no prefix fits has no known bound.
	MaxOutput map[string]int
	// Takes is what the vendor knows of a caller's wishes, [chat.Sampling].
	Takes Takes
	// LowerModel: the vendor knows its models by their names in lower case only.
	LowerModel bool
	// Token makes the bearer token that stands for a key where the endpoint's auth is jwt; nil: the vendor has none. It is safe for
	// concurrent use. Its error does not show the key.
	Token func(key chat.Secret, now time.Time) (string, error)
	// Extra gives further fields of the request's body; nil: none.
	Extra func(Call) map[string]any
}

// Takes is a vendor's part of OpenAI's sampling parameters. The zero value is all of them, in OpenAI's ranges.
type Takes struct {
	Temperature float64 // the highest; 0: 2
	TopP        float64 // the lowest
	Stops       int     // how many; 0: 4
	StopRunes   int     // of one; a longer one is left out; 0: no limit
	NoPenalties bool
	NoSeed      bool
}

// Finish is what a finish reason means.
type Finish struct {
	Reason string    // stop or length: the answer is complete
	Kind   chat.Kind // else why it is none
}
