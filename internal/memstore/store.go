package memstore

import (
	"context"
	"strconv"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Store implements conversation.Store and LiveWriter, and channel's TokenCache, Locker, LiveReader and Feed. Safe for concurrent use; no
// method blocks. Errors are the contract's; an ended context is reported before anything is done.
type Store struct {
	mu     sync.Mutex
	now    func() time.Time
	shards map[conversation.Shard]*shard
	stops  map[string]map[chan conversation.Held]func() []string // by owner; the tenants that it serves
	tokens map[string]expiring[chat.Secret]
	locks  map[string]expiring[int64]
	locked int64
	live   map[chat.ConversationKey]expiring[*chat.Live]
	feeds  map[chat.ConversationKey]*feed

	budgets map[string]*budget         // by tenant
	seats   map[string]map[string]seat // by tenant and owner
}

// New makes an empty store. now is its clock, time.Now as a rule; it is called under the store's lock.
func New(now func() time.Time) *Store {
	return &Store{
		now:    now,
		shards: map[conversation.Shard]*shard{},
		stops:  map[string]map[chan conversation.Held]func() []string{},
		tokens: map[string]expiring[chat.Secret]{},
		locks:  map[string]expiring[int64]{},
		live:   map[chat.ConversationKey]expiring[*chat.Live]{},
		feeds:  map[chat.ConversationKey]*feed{},

		budgets: map[string]*budget{},
		seats:   map[string]map[string]seat{},
	}
}

type expiring[T any] struct {
	value T
	until time.Time
}

// shard is the state of one of a tenant's shards.
type shard struct {
	id      conversation.Shard
	fence   int64
	seq     int64
	waiting int // messages in all mailboxes
	convs   map[string]*conv
	owners  map[string]*owner
	dedupe  map[string]time.Time // until when
	once    map[string]time.Time
	rate    map[string][]time.Time // admitted messages of the last minute
	dead    []expiring[conversation.DeadLetter]
	ended   int // messages forgotten unanswered
	usage   map[conversation.Day]map[conversation.Spender]conversation.Tokens
	counted map[int64]time.Time // fences whose spending was counted, and until when that is known
	swept   int                 // accepts since forgotten things were swept out
}

type owner struct {
	until time.Time
	held  map[string]*conv
}

// conv is one conversation; see redisstore's common.lua for the fields' twins.
type conv struct {
	handle  string
	key     chat.ConversationKey
	mailbox []conversation.Waiting
	isStop  map[int64]bool // seqs of waiting stop commands

	owner    string
	fence    int64
	attempts int
	last     int64 // newest message that is no stop command
	stop     int64 // messages below it are stopped
	forget   int64 // replies to messages below it do not wait
	stopped  bool  // a stop came while the head was being computed
	reply    *reply
	due      time.Time // a postponed reply's; zero: not postponed
	paced    time.Time // when the channel's pace is whole again if nothing more is sent

	prevFence int64 // of the last step that ended a message
	prevOwner string
	nextFence int64                  // of the claim that this step made; 0: none
	idleSince time.Time              // zero: has messages
	until     time.Time              // of the mailbox
	gone      conversation.Forgotten // by the head message
	forgets   bool                   // the head message asked for it
	letter    int64                  // the newest message that was kept as a dead letter

	history []chat.Turn
	state   conversation.State
	kept    time.Time // until when history and state are kept
}

// reply is a committed reply on its way out.
type reply struct {
	parts []chat.Part
	next  int
	since time.Time // from when on part next may have been sent
	tries int
}

// repeatable is how long after its last message a repetition of that message's last step is recognised.
const repeatable = 10 * time.Minute

// forgottenFor is the same of a message with which a person asked to be forgotten.
const forgottenFor = 2 * time.Second

// with runs f on a shard under the store's lock.
func (s *Store) with(ctx context.Context, op string, id conversation.Shard, f func(sh *shard, now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return chat.E(chat.KindOf(err), "memstore."+op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[id]
	if sh == nil {
		sh = &shard{
			id: id, convs: map[string]*conv{}, owners: map[string]*owner{},
			dedupe: map[string]time.Time{}, once: map[string]time.Time{}, rate: map[string][]time.Time{},
			usage: map[conversation.Day]map[conversation.Spender]conversation.Tokens{}, counted: map[int64]time.Time{},
		}
		s.shards[id] = sh
	}
	return f(sh, s.now())
}

// handle names a conversation injectively.
func handle(key chat.ConversationKey) string {
	return strconv.Quote(key.Channel) + strconv.Quote(key.ID)
}

func (c *conv) isReady(now time.Time) bool { return c.isIdle() && !c.due.After(now) }

// isIdle says that there is something to do and nobody does it.
func (c *conv) isIdle() bool { return c.owner == "" && len(c.mailbox) > 0 }

// from is since when it could be claimed.
func (c *conv) from() time.Time {
	if !c.due.IsZero() {
		return c.due
	}
	return c.mailbox[0].AcceptedAt
}

// sweep forgets what has run out; the Redis store leaves that to Redis.
func (sh *shard) sweep(now time.Time) {
	sh.swept = 0
	sh.sweepUsage(now)
	for _, m := range []map[string]time.Time{sh.dedupe, sh.once} {
		for k, until := range m {
			if !now.Before(until) {
				delete(m, k)
			}
		}
	}
	for k, times := range sh.rate {
		if now.Sub(times[0]) >= time.Minute {
			delete(sh.rate, k)
		}
	}
	for k, c := range sh.convs {
		if !c.idleSince.IsZero() && now.Sub(c.idleSince) >= repeatable && !now.Before(c.kept) {
			delete(sh.convs, k)
		}
	}
}
