package chat

import "time"

// Request asks a server for the answer of one turn. It carries the whole dialog context: servers are stateless.
type Request struct {
	Tenant       string
	Conversation string // opaque to the server: for logs and traces, never an identity of a person
	Turn         string // the turn's id, the same over all attempts
	Attempt      int    // from 1; counts claims of the turn and changes of server
	User         string // hashed; for accounting and the provider's abuse field
	Model        string // the class wanted, a name under `models` in parley-routes; never a provider
	System       string // the tenant's system prompt
	History      []Turn // oldest first, as far as the store kept it; the server cuts it to the model's window
	Question     string
	Images       []Picture // of the question; only models that see get them
	// Keys are the tenant's own provider keys by provider name. A provider with an entry never uses the platform's key.
	Keys map[string][]Secret
	// Providers that may see this tenant's data; nil: every provider its route names.
	Providers []string
	// Sampling is how a caller of the API wants the answer to be chosen; nil: as the provider does by itself.
	Sampling  *Sampling
	MaxOutput int           // tokens; 0: the provider's default
	MaxPrompt int           // tokens of all that is sent to a provider; 0: the model's window
	Deltas    bool          // whether the channel shows partial text
	DeltaGap  time.Duration // at most one delta event per this time; 0: the server's default
}

// Sampling are wishes in OpenAI's terms and ranges; what is nil or empty is left to the provider. A provider gets what it knows of them, cut to
// its own range: who asks does not choose the provider, so a wish must not fail the turn.
type Sampling struct {
	Temperature *float64 // 0 to 2
	TopP        *float64 // 0 to 1
	Presence    *float64 // penalties, -2 to 2
	Frequency   *float64
	Seed        *int64
	Stop        []string // texts before which the answer ends; 4 at most
	JSON        bool     // the answer is to be one JSON object
}

// EventKind tells the events of a completion apart.
type EventKind int

// A completion is Started (again after each fallback), any number of Delta, then Finished; or it ends in an error. Spent comes after each
// call to a provider that cost something, whatever became of it, and before Finished.
const (
	Started EventKind = iota + 1
	Delta
	Finished
	Spent
)

// Event is one step of a completion. Which fields are set depends on Kind.
type Event struct {
	Kind  EventKind
	Start Start  // Started
	Text  string // Delta: text to append
	Reply Reply  // Finished
	Spend Spend  // Spent
}

// Start says who answers. A second Start in one completion voids the text shown so far.
type Start struct {
	Provider string
	Model    string
	Revision string // of the route table that decided
	Images   int    // how many of the question's pictures the model is given; servers of older releases say 0 and pass none on
	Degraded bool   // by an operator's switch
	Fallback bool   // an earlier choice erred, or was at its limit
}

// Reply is a complete answer; a reply exists only if the provider said why it finished.
type Reply struct {
	Start
	Text         string
	FinishReason string // stop, length
	Usage        Usage
	// Token counts of this turn by Parley's own tokenizer, to be kept with the history.
	QuestionTokens int
	AnswerTokens   int
}

// Usage is what the provider says it charged, in tokens. Estimated marks figures that Parley counted itself because the provider
// gave none.
type Usage struct {
	Input     int
	Cached    int
	Output    int
	Reasoning int
	Estimated bool
}

// Spend is what one call to a provider cost.
type Spend struct {
	Provider string
	Model    string
	Own      bool // by the tenant's own key
	Usage    Usage
	// For whom it was is the client service's to know, and never on the wire: of a call for records.
	For Errand
}

// Errand is what a call to a provider was made for. The zero Errand: nobody says.
type Errand struct {
	Channel string
	Turn    string // the opaque id under which logs and traces have it
	Attempt int
	API     bool // a program's request, not a person's message
	At      time.Time
}

// ProviderState is how one server instance stands with a provider, by the platform's keys.
type ProviderState struct {
	Name        string `json:"name"`
	Keys        int    `json:"keys"`        // that could be resolved there
	Resting     int    `json:"resting"`     // of these, not to be used now
	Concurrency int    `json:"concurrency"` // calls at once per key in the whole fleet; 0: no limit
	InFlight    int    `json:"in_flight"`   // calls of this instance, those by tenants' own keys included
	NeedsKey    bool   `json:"needs_key"`   // without a key it cannot be called
	Open        bool   `json:"open"`        // its breaker keeps turns away
	// Unresolved counts the references to platform's keys that could not be resolved there, besides Keys: a WARN in its log says why.
	Unresolved int `json:"unresolved,omitempty"`
	// Rests tells of the first 20 keys that rest, in the order of the routes.
	Rests []KeyRest `json:"rests,omitempty"`
}

// KeyRest is a platform's key that is not to be used now, and why.
type KeyRest struct {
	Fingerprint string `json:"fingerprint"` // [Secret.Fingerprint], as logs name the key
	Kind        string `json:"kind"`        // of the error that sent it to rest
	Code        string `json:"code,omitempty"`
	Until       int64  `json:"until_unix_ms"` // then one call tries the key; in the past: that call is on its way
}

// Live is the text of a running turn as far as it came. Text is the whole text, not a delta.
type Live struct {
	Message string `json:"m"` // the ID of the message being answered
	Rev     int64  `json:"r"` // rises with every write of a turn
	Text    string `json:"x"`
	Done    bool   `json:"d,omitempty"` // the reply is on its way as parts
}
