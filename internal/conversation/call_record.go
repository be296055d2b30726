package conversation

import (
	"time"

	"parley/internal/chat"
)

// CallRecord is what one call to a provider cost, for a company's own billing. All records of a time together are what usage counted in it, exactly.
// It holds no text.
type CallRecord struct {
	ID        string    `json:"id,omitempty"` // unique over all tenants and times; whoever gets a record twice drops one
	At        time.Time `json:"at"`           // when the call had ended
	Tenant    string    `json:"tenant,omitempty"`
	Channel   string    `json:"channel,omitempty"`
	API       bool      `json:"api,omitempty"` // a program's request, not a person's message
	Turn      string    `json:"turn,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	User      string    `json:"user,omitempty"` // hashed
	Provider  string    `json:"provider"`
	Model     string    `json:"model"`
	Own       bool      `json:"own_key"`
	Estimated bool      `json:"estimated"`
	Input     int       `json:"input"`
	Cached    int       `json:"cached"` // of Input
	Output    int       `json:"output"`
	Reasoning int       `json:"reasoning"` // of Output
}

// CallRecordOf is the record of what a call cost. Figures are those that usage counts.
func CallRecordOf(s chat.Spend, user string) CallRecord {
	u := s.Usage
	return CallRecord{
		At: s.For.At.UTC().Truncate(time.Millisecond), Channel: s.For.Channel, API: s.For.API, Turn: s.For.Turn, Attempt: s.For.Attempt,
		User: user, Provider: s.Provider, Model: s.Model, Own: s.Own, Estimated: u.Estimated,
		Input: max(0, u.Input), Cached: max(0, u.Cached), Output: max(0, u.Output), Reasoning: max(0, u.Reasoning),
	}
}
