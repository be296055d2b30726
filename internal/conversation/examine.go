package conversation

import (
	"time"

	"parley/internal/chat"
)

// Examination is all that a store knows of a conversation, for operators: its texts only if they were asked for.
type Examination struct {
	Handle    string        `json:"handle"`              // its name in the store's keys
	Shard     int           `json:"shard"`               // of the tenant's
	Owner     string        `json:"owner,omitempty"`     // the client service that works on it
	Fence     int64         `json:"fence,omitempty"`     // of the newest claim
	Attempts  int           `json:"attempts,omitempty"`  // claims of the first message that had to compute
	Parts     int           `json:"parts,omitempty"`     // of a reply that was committed and is not fully delivered
	Next      int           `json:"next,omitempty"`      // the part to be sent next, from 0 on
	Tries     int           `json:"tries,omitempty"`     // of that part
	Due       *time.Time    `json:"due,omitempty"`       // nobody works on it: from when on it can be claimed
	Model     string        `json:"model,omitempty"`     // chosen with /model
	Noted     string        `json:"noted,omitempty"`     // the degradation that the person was told of
	Waiting   []WaitingInfo `json:"waiting"`             // the first is the one that is worked on
	More      int           `json:"more,omitempty"`      // messages that wait behind those
	History   []TurnInfo    `json:"history"`             // oldest first
	Forgotten *time.Time    `json:"forgotten,omitempty"` // when the history ends by itself
}

// Found reports whether the store knows anything of the conversation.
func (r Examination) Found() bool {
	return r.Owner != "" || r.Fence > 0 || len(r.Waiting) > 0 || len(r.History) > 0
}

// WaitingInfo is a message that waits, or is worked on.
type WaitingInfo struct {
	Turn       string    `json:"turn"` // as in the log
	Seq        int64     `json:"seq"`
	AcceptedAt time.Time `json:"accepted_at"`
	Shed       Shed      `json:"shed,omitempty"` // why it will be answered with a text
	Command    bool      `json:"command,omitempty"`
	Text       string    `json:"text,omitempty"` // only if it was asked for
}

// TurnInfo is a turn of the history.
type TurnInfo struct {
	At             time.Time `json:"at"`
	QuestionTokens int       `json:"question_tokens"`
	AnswerTokens   int       `json:"answer_tokens"`
	Question       string    `json:"question,omitempty"` // only if it was asked for
	Answer         string    `json:"answer,omitempty"`   // only if it was asked for
}

// TurnOf is the name under which the log tells of a waiting message.
func TurnOf(w Waiting) string { return turnID(&Claim{Key: w.Conversation, Message: w}) }

// Opaque names a conversation to logs and servers: it says that two turns are of the same one, and not whose.
func Opaque(key chat.ConversationKey) string { return opaque(key.Tenant, key.Channel, key.ID) }

// Tell makes the record's entry of a waiting message, with its text if that was asked for.
func Tell(w Waiting, text bool) WaitingInfo {
	i := WaitingInfo{Turn: TurnOf(w), Seq: w.Seq, AcceptedAt: w.AcceptedAt, Shed: w.Shed, Command: w.Stops}
	if text {
		i.Text = w.Text
	}
	return i
}

// TellTurn makes the record's entry of a turn, with its texts if those were asked for.
func TellTurn(t chat.Turn, text bool) TurnInfo {
	i := TurnInfo{At: t.At, QuestionTokens: t.QuestionTokens, AnswerTokens: t.AnswerTokens}
	if text {
		i.Question, i.Answer = t.Question, t.Answer
	}
	return i
}
