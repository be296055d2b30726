package chat

import (
	"context"
	"time"
)

// Moderation is what a tenant's document says of texts that nobody is to see.
type Moderation struct {
	Words []string // nobody may write or read these; nil: none
	On    Directions
	Hook  *Hook // nil: none
}

// Directions are the texts that a rule is about.
type Directions struct{ Input, Output bool }

// Has reports whether a direction is among them.
func (d Directions) Has(dir Direction) bool {
	return dir == Input && d.Input || dir == Output && d.Output
}

// Direction tells what people write from what models answer, as metrics and hooks name it.
type Direction string

// The directions.
const (
	Input  Direction = "input"
	Output Direction = "output"
)

// Hook is an address of the company's own that judges texts.
type Hook struct {
	URL      string
	Secret   Secret
	Timeout  time.Duration
	FailOpen bool // texts pass while it does not answer; else they are refused
	On       Directions
}

// Passage is a text to be judged.
type Passage struct {
	Direction             Direction
	Tenant, Channel, Turn string
	Text                  string
}

// Verdict is what became of a passage.
type Verdict struct {
	Refused bool
	Replace *string // the text in its place; nil: none
	By      string  // "words" or "hook"; empty: nobody was asked
	Result  string  // allowed, refused, replaced, failed_open or failed_closed
	Reason  string  // a word of the hook's, without any of the text; may be empty
}

// Moderator judges what a tenant's people write and what models answer them. It is safe for concurrent use.
type Moderator interface {
	// Judge judges a whole text. It blocks for the hook's timeout at most; its error policy is the tenant's, so that there is always a verdict.
	Judge(ctx context.Context, p Passage) Verdict
	// Filter judges an answer while it comes; nil: nothing of it is judged before it is whole.
	Filter() Filter
}

// Filter lets as much of an answer through as can be judged. It is of one answer, and not safe for concurrent use.
type Filter interface {
	// Add takes more text and gives what may be shown now. hit: there is a forbidden word; what comes is shown no more.
	Add(text string) (show string, hit bool)
	// End gives what was held back and is harmless, since nothing follows.
	End() (show string, hit bool)
}
