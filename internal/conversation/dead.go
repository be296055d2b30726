package conversation

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
)

// Graveyard is the part of a store that operators use: messages that were given up. Errors are as in [Store]; all methods are idempotent.
type Graveyard interface {
	// DeadLetters lists a tenant's dead letters that are still kept, oldest first, at most most of them.
	DeadLetters(ctx context.Context, tenant string, most int) ([]DeadLetter, error)

	// Retry puts dead letters back at the end of their conversations' mailboxes, each in one atomic step: as new messages, accepted now, not
	// tried yet, and with the ids that they had. It returns those that were; another is none any more. With an error, the rest is undecided.
	Retry(ctx context.Context, ids []DeadID) ([]DeadID, error)

	// Drop forgets dead letters and returns those that it forgot.
	Drop(ctx context.Context, ids []DeadID) ([]DeadID, error)
}

// DeadLetter is a message that was given up, for operators.
type DeadLetter struct {
	ID      DeadID
	Message Waiting
	Reason  string
	At      time.Time
	Claims  int // of the message, the one that gave it up included; 0: not known
}

// Turn is the name under which the log tells of the message.
func (d DeadLetter) Turn() string {
	return turnID(&Claim{Key: d.Message.Conversation, Message: d.Message})
}

// DeadID names a dead letter as long as it is one: given up again, a message has another.
type DeadID struct {
	Shard Shard
	Seq   int64 // of the message
}

// String is tenant:shard-seq, as in "acme:7-1842".
func (d DeadID) String() string { return fmt.Sprintf("%s:%d-%d", d.Shard.Tenant, d.Shard.Index, d.Seq) }

// ParseDeadID is String's inverse.
func ParseDeadID(s string) (DeadID, error) {
	tenant, rest, _ := strings.Cut(s, ":")
	shard, seq, ok := strings.Cut(rest, "-")
	index, bad := strconv.Atoi(shard)
	n, worse := strconv.ParseInt(seq, 10, 64)
	d := DeadID{Shard{tenant, index}, n}
	if !ok || bad != nil || worse != nil || !chat.ValidName(tenant) || index < 0 || index >= Shards || n <= 0 || d.String() != s {
		return DeadID{}, fmt.Errorf("%.60q is no dead letter's id: they look like acme:7-1842, as `parley dead` lists them", s)
	}
	return d, nil
}
