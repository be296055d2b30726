package chat

import "time"

// Tenant is a company as it stands in the live configuration, decoded, validated and with its references resolved. It is immutable:
// a change of the document makes a new one.
type Tenant struct {
	Name      string
	Suspended bool // accepts nothing; turns already accepted end with a text
	Model     string
	System    string
	Providers []string            // that may see its data; nil: every provider its route names
	Keys      map[string][]Secret // its own, by provider
	History   HistoryLimits
	Limits    TenantLimits
	Texts     map[string]string // overrides of what people see, by text name
	Mark      bool              // a model's answer ends with a mark that says so
	Merge     bool              // messages that a person writes while others of theirs wait become one question
	// Moderation is what people may not write and models may not answer; nil: nothing is judged.
	Moderation *Moderation
	Language   string // "zh" (default) or "en"
	Revision   string // of the document, for status
}

// HistoryLimits bound what a conversation remembers.
type HistoryLimits struct {
	Turns int
	Bytes int
	TTL   time.Duration
	Group string // whose conversation a group's messages belong to: member, group, thread
}

// TenantLimits bound what a tenant's people may ask for, over all replicas. Zero: no limit.
type TenantLimits struct {
	UserPerMinute int
	TurnsInFlight int
	MaxWait       time.Duration // a message older than this at its turn gets an apology and no model call
	BusyAfter     time.Duration // a message that would wait longer than this for a free place is told so at once
	MaxInput      int           // characters of one message
	MaxPrompt     int           // tokens of one turn that are sent to a provider: system prompt, history and question
	MaxOutput     int           // tokens of one answer
	TokensPerDay  int           // input and output of all its people
	UserPerDay    int           // tokens, of one person
}

// ValidName reports whether name may be a tenant's or a channel's: [a-z0-9-], 1 to 32 of them.
func ValidName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 32
}
