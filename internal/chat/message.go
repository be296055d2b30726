package chat

import (
	"encoding/json"
	"net/http"
	"time"
)

// ConversationKey names one conversation over all of Parley. Values come from outside and may hold any bytes: whoever builds a
// storage key or a label from them must encode them injectively.
type ConversationKey struct {
	Tenant  string `json:"tenant"`  // the tenant's name, [a-z0-9-]{1,32}
	Channel string `json:"channel"` // the channel's name within the tenant
	ID      string `json:"id"`      // chosen by the channel: a user, a group, a group's member, a thread
}

// MessageKind says what a person did.
type MessageKind string

// The kinds of message. Anything a channel cannot carry is [KindUnsupported] and is answered with an honest text.
const (
	KindText        MessageKind = "text"
	KindWelcome     MessageKind = "welcome"     // the person opened the chat; answered with the welcome text, at most once a day
	KindUnsupported MessageKind = "unsupported" // an image, a voice message, …; Text names the platform's kind
)

// Message is what a person sent, as a channel understood it. It is written to the store before the platform gets its 200, so it
// must hold everything that a reply needs, on any replica.
type Message struct {
	// ID identifies the message within its channel for deduplication; two deliveries of one message have the same ID.
	ID           string          `json:"id"`
	Conversation ConversationKey `json:"conversation"`
	User         string          `json:"user"` // the sender, as the platform names them
	Kind         MessageKind     `json:"kind"`
	Text         string          `json:"text,omitempty"`
	// Quote is the text that the person's message answers to, if the platform says; it is part of the question.
	Quote string `json:"quote,omitempty"`
	// Images are the pictures of the question, at most [MaxImages].
	Images []Image `json:"images,omitempty"`
	// Alone: the platform holds a place of its own open for this message's answer, so it is never merged with another.
	Alone  bool      `json:"alone,omitempty"`
	SentAt time.Time `json:"sent_at"` // the platform's clock; zero if it does not say
	// Address is what the channel needs to send the reply. Only the channel that wrote it reads it; it may hold secrets and is never logged.
	Address json.RawMessage `json:"address,omitempty"`
	// Once, if set, makes the message count at most once per OnceFor for this key in its conversation's shard (the daily welcome);
	// a further one is accepted and ignored.
	Once    string        `json:"-"`
	OnceFor time.Duration `json:"-"`
	// Trace is the W3C traceparent of the callback that brought the message, so that one trace spans the mailbox.
	Trace string `json:"trace,omitempty"`
}

// Bounds of the pictures of one message.
const (
	MaxImages     = 4       // that are looked at
	MaxImageBytes = 5 << 20 // of one
)

// Image is a picture as a message brought it: here (Data), or at the platform (Ref, which only the channel that wrote it can read; it may hold
// secrets and is never logged).
type Image struct {
	Ref  json.RawMessage `json:"ref,omitempty"`
	Type string          `json:"type,omitempty"` // image/jpeg, …; empty: not known yet
	Data []byte          `json:"data,omitempty"`
}

// Picture is an image in full, as a model gets it.
type Picture struct {
	Type string // as [PictureType] has it
	Data []byte
}

// PictureType tells from the bytes themselves what picture they are: image/jpeg, image/png, image/gif or image/webp, which all models that see
// take. "": none of them.
func PictureType(data []byte) string {
	switch t := http.DetectContentType(data); t {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return t
	}
	return ""
}

// Turn is one question with its answer as the history keeps it. Token counts are made once, by the server that answered
// (0: not known), and kept so that no later turn counts them again.
type Turn struct {
	Question       string    `json:"q"`
	Answer         string    `json:"a"`
	QuestionTokens int       `json:"qt,omitempty"`
	AnswerTokens   int       `json:"at,omitempty"`
	At             time.Time `json:"t"`
}

// Part is one piece of a reply in the exact bytes that the channel sends. It is stored before it is sent, so that a resend after a
// crash is byte-identical; that is what a platform's duplicate check needs.
type Part []byte

// Pace is how fast the parts of one conversation may be sent: Burst at once, then one in each Every. They are sent one after the other, so a
// platform sees at most Burst + T/Every + 1 of them arrive in any time of length T. Every 0: no pace. Burst × Every is at most
// [MaxPaceMemory]. A try that is repeated counts as another: the platform may count it, too.
type Pace struct {
	Burst int
	Every time.Duration
}

// MaxPaceMemory is how long a conversation's pace is remembered after its last message.
const MaxPaceMemory = 10 * time.Minute
