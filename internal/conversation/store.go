package conversation

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Store keeps mailboxes, leases, histories and replies on their way out. Each method is one atomic step; all methods are safe for
// concurrent use by any number of processes and bounded by ctx and by the store's own short timeouts. An error that is not one of
// the sentinels below is a *chat.Error of kind Unavailable or Timeout: the step may or may not have happened, and repeating it with
// the same arguments is safe (every step is idempotent; a repeated claim returns other conversations, see [Store.Owned]). Kind Canceled:
// the caller's ctx was. Kind Invalid: the arguments are wrong (a lease or a time to remember that is not positive), nothing happened. Kind Internal: something
// stored cannot be read; what is returned besides is good.
//
// A conversation is owned by at most one process at a time. Ownership ends with the process's lease ([Store.Renew]); a fence number,
// strictly rising within a shard, keeps an owner that lost its lease from writing. storetest holds the executable contract.
type Store interface {
	// Accept writes a message to its conversation's mailbox, durably before it returns. A message whose ID was seen within
	// Limits.DedupeFor is Duplicate and changes nothing. A conversation that nobody owns becomes ready to claim.
	// Limits shed a message, they never refuse it; a stop command is never shed.
	Accept(ctx context.Context, m chat.Message, opt AcceptOptions) (Accepted, error)

	// Claim takes up to most ready conversations of each shard for owner in one round trip, oldest first (postponed ones by when they were
	// due), and starts or keeps owner's lease there. Each claim of a head message is counted as an attempt, unless it carries an unfinished
	// reply. No ready conversation: an empty slice.
	Claim(ctx context.Context, shards []Shard, owner string, most int, opt ClaimOptions) ([]Claim, error)

	// Renew extends owner's lease in every shard given, in one pipeline. It returns the shards in which owner has no lease any more (it
	// must drop its turns there: others may have them) and the stop marks on conversations that owner holds. A lease that ran out and that
	// nobody has reaped is revived.
	Renew(ctx context.Context, owner string, shards []Shard, lease time.Duration) (Renewed, error)

	// History returns the newest turns of a claimed conversation once more: those of the claim, but for what has ended meanwhile. Of c it uses Shard
	// and Handle only.
	History(ctx context.Context, c Claim, turns int) ([]chat.Turn, error)

	// Commit ends the computing of a turn: it writes the outcome to the history, counts what was spent, and stores the reply's parts with
	// the intent to send the first, once Next.Wait has passed. With no parts it also does what Delivered does after the last. ErrFenced:
	// nothing was written, the turn is another's. A second commit of one turn changes nothing. Of c it uses Shard, Owner, Handle and Fence only; so does Delivered.
	Commit(ctx context.Context, c Claim, o Outcome) (Next, error)

	// Delivered records that part (from 0) was dealt with and stores the intent to send the next one. After the last part the message
	// leaves the mailbox; if another waits it is claimed in the same step and returned in Next, else the conversation is released.
	// Parts are delivered in order; a part that is not the intended one or an earlier one is an error of kind Invalid.
	Delivered(ctx context.Context, c Claim, part int, opt ClaimOptions) (Next, error)

	// Intend stores the intent to send the part that is next in an unfinished reply once more, and takes a place at the pace for it: Next.Wait.
	// It goes before each try but the one that Commit or Delivered intended. ErrFenced: it is another's to send. Kind Invalid: there is no reply.
	// Repeating it takes another place and does no other harm. Of c, Postpone and GiveUp use what Commit does; so does Intend.
	Intend(ctx context.Context, c Claim, pace chat.Pace) (Next, error)

	// Postpone gives a conversation with an unfinished reply back, not to be claimed before p.For has passed. Kind Invalid: there is no
	// reply. A fenced postponement changes nothing and is no error.
	Postpone(ctx context.Context, c Claim, p Postponement) error

	// GiveUp keeps the head message as a dead letter with the reason, forgets what of its reply was not delivered, and goes on as Delivered
	// does after the last part. keep is how long the letter is kept; 0: a week. What its commit kept as a dead letter is none once more.
	GiveUp(ctx context.Context, c Claim, reason string, keep time.Duration, opt ClaimOptions) (Next, error)

	// Release gives a claimed conversation back as ready, for a handover; its attempt is not counted. Of c it uses Shard, Owner, Handle and
	// Fence only. A fenced release changes nothing and is no error.
	Release(ctx context.Context, c Claim) error

	// Forget removes, under the current fence, what is kept of a person in this conversation: history, state, live text, feed, the person's
	// dead letters, and whose usage it was that was counted in its shard (user is hashed, as in Outcome.User). What waits behind the head
	// message stays, and so do others' dead letters. It may be repeated until the head message is done with: the sums are then of all
	// repetitions. Once the reply is delivered, also the conversation's record goes within seconds, unless something waits. Of c it uses
	// Shard, Owner, Handle, Fence, Key and Message. ErrFenced: nothing was removed.
	Forget(ctx context.Context, c Claim, user string) (Forgotten, error)

	// Reap makes the conversations of owners whose lease ended ready again and returns how many. It also forgets mailboxes whose time is over
	// ([KeepMailbox]). Any process may call it at any time.
	Reap(ctx context.Context, shards []Shard) (int, error)

	// Owned lists what the store believes owner holds in a shard (conversation id as in Claim.Handle → fence). A process that cannot
	// know whether a step happened compares it with what it works on and releases the rest.
	Owned(ctx context.Context, s Shard, owner string) ([]Held, error)

	// Stops tells of stop commands on conversations that owner holds, as they are accepted on any replica, of those tenants that are served:
	// it asks for them again and again. It may lose some: Renew returns those. The channel is closed when ctx ends.
	Stops(ctx context.Context, owner string, tenants func() []string) <-chan Held

	// Stats sums up one tenant: cheap enough to be called every few seconds.
	Stats(ctx context.Context, tenant string) (Stats, error)

	Ledger
	Seats
}

// Shards is the number of shards of each tenant. It is part of the stored format.
const Shards = 16

// Shard is one of a tenant's shards; all keys of one shard live in one Redis slot.
type Shard struct {
	Tenant string
	Index  int // 0..Shards-1
}

// AcceptOptions are the limits in force when a message arrives. The store enforces them over all replicas.
type AcceptOptions struct {
	DedupeFor     time.Duration // at least 24 h
	Waiting       int           // accepted and not yet answered, per tenant; beyond it Shed is set. 0: no limit
	UserPerMinute int           // 0: no limit
	Stop          bool          // the message is a stop command: everything before it in the mailbox is stopped
	Forget        bool          // and no reply before it is to wait any longer: a postponed one is due now, and stays so
	// Merge may put the message and the last of its mailbox into one, which then takes that one's place, with a new Seq and the time at which the
	// first was accepted. It is asked only about a message behind the head: nobody has claimed it. What it returns is not used if the new message
	// is a duplicate, ignored or shed, or if the mailbox changes meanwhile: then it is appended. All IDs are remembered as ever. It must not block,
	// and is not asked about a message that cannot be read. nil: never.
	Merge func(last Waiting) (merged chat.Message, ok bool)
}

// Accepted tells what became of a message. All of them are answered 200.
type Accepted struct {
	Duplicate bool
	Ignored   bool // a message with a Once key that came before; nothing was stored
	Merged    bool // AcceptOptions.Merge put it into the message before it
	Ready     bool // the conversation just became ready: a hint to claim Shard now
	Shard     Shard
	Shed      Shed
	Seq       int64 // rises within the conversation, with gaps; never used twice. 0 if nothing was stored
}

// Shed says that a message will be answered with a text in place of a model's answer, and why.
type Shed string

// Why a message is not given to a model.
const (
	NotShed  Shed = ""
	ShedBusy Shed = "busy" // the tenant has too many messages waiting
	ShedRate Shed = "rate" // the person writes faster than the tenant allows
)

// ClaimOptions bound what a claim returns and takes.
type ClaimOptions struct {
	Lease        time.Duration
	HistoryTurns int // newest turns to return

	Pace chat.Pace // of the channel, for the part that a Commit or Delivered intends; a claim does not use it
}

// Claim is a conversation that a process owns, with what it needs to go on.
type Claim struct {
	Key     chat.ConversationKey
	Shard   Shard
	Owner   string
	Handle  string // the store's own name for the conversation
	Fence   int64
	Attempt int // claims of this head message so far, this one included; from 1
	Message Waiting
	Waits   int       // messages behind this one
	Now     time.Time // the store's clock at the claim
	History []chat.Turn
	State   State
	// Stopped: a stop command stands behind this message in the mailbox. Stop commands themselves are never stopped.
	Stopped bool
	// Forget: a stop command stands behind this message that was accepted with AcceptOptions.Forget.
	Forget bool
	// Unfinished is a reply that was committed and not fully delivered; then the message must not be computed again.
	Unfinished *Unfinished
}

// Waiting is a message in a mailbox.
type Waiting struct {
	chat.Message
	Seq        int64
	AcceptedAt time.Time // the store's clock
	Shed       Shed
	Stops      bool // it is a stop command that found something to stop
}

// Age is how long the message has waited by the store's clock, given the claim's own time.
func (w Waiting) Age(now time.Time) time.Duration { return now.Sub(w.AcceptedAt) }

// State is what a conversation remembers besides its history; it lives as long as the history.
type State struct {
	Model string `json:"model,omitempty"` // chosen with /model; empty: the tenant's
	Noted string `json:"noted,omitempty"` // the degradation that the person was told of
}

// Unfinished is a stored reply and how far its delivery came.
type Unfinished struct {
	Parts []chat.Part
	Next  int       // the part whose sending was intended and not confirmed
	Since time.Time // from when on it may have been sent, by the store's clock; later than the claim: it was not sent
	Tries int       // as [Postponement] had it
}

// Postponement says how a reply waits.
type Postponement struct {
	For   time.Duration // by the store's clock
	Maybe bool          // the part may have been shown; false: it certainly was not, whatever was intended
	Tries int           // of this part so far, for whoever goes on
}

// Outcome is what a turn came to.
type Outcome struct {
	Turn  *chat.Turn // appended to the history; nil: nothing to remember (a command, an apology, a refused turn)
	Reset bool       // forget the history first
	State State
	Parts []chat.Part
	Dead  string // a reason: the message is also kept as a dead letter
	Keep  Keep
	Claim ClaimOptions // for the next message, when Parts is empty, or with the pace of the first part
	Spent []chat.Spend // what the turn cost, failed calls included
	User  string       // whose usage that is; hashed, as in chat.Request.User
}

// Keep bounds a conversation's history. Each commit applies it and starts the TTL anew.
type Keep struct {
	Turns int           // 0: no turn is kept
	Bytes int           // of questions and answers together; 0: no limit. A turn that is larger by itself is not kept
	TTL   time.Duration // of history and state; 0: neither is kept
	Dead  time.Duration // how long a dead letter is kept; 0: a week
}

// Next is how a conversation goes on after a step.
type Next struct {
	Claim *Claim        // the next message, already claimed; nil: released
	Wait  time.Duration // before the part just intended may be sent
}

// Renewed is the result of Renew.
type Renewed struct {
	Lost  []Shard
	Stops []Held // what a person stopped while this owner computes it; a claim's own Stopped is not repeated here
	// LostFence is, for each shard in Lost, the newest fence when the loss was seen: claims with a higher one were made later and stand.
	LostFence map[Shard]int64
	// Owns is, for each shard renewed, how many conversations the store believes owner holds. More than the owner works on, twice in a row,
	// means that the answer of a claim was lost: see [Store.Owned].
	Owns map[Shard]int
}

// Held names one owned conversation.
type Held struct {
	Shard  Shard
	Handle string
	Fence  int64
}

// Stats is one tenant's state in the store.
type Stats struct {
	Waiting int           // messages accepted and not yet answered, those in flight included
	Running int           // owned by a process
	Ready   int           // nobody works on them
	Oldest  time.Duration // age of the oldest conversation in ready; 0: none
	Dead    int           // dead letters
	Ended   int           // messages that were forgotten unanswered, ever: see [KeepMailbox]

	Postponed int // conversations whose reply waits for its next try; not in Ready
}

// LiveWriter publishes partial text while a turn runs. Losing it loses no answer: errors are counted, not acted upon.
type LiveWriter interface {
	// Write replaces the live text of the turn that the conversation is in. It writes only if somebody reads and reports whether.
	Write(ctx context.Context, key chat.ConversationKey, l chat.Live) (read bool, err error)
}
