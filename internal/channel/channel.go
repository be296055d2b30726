package channel

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// Channel is one configured channel of one tenant: the way out. All methods are safe for concurrent use.
type Channel interface {
	// Kind is the word under `kind:` in the tenant's document.
	Kind() string
	// Parts cuts text into what the platform takes, in its exact bytes, without blocking. unique rises with every turn of a conversation
	// and is equal for a turn's repetitions; a channel whose platform swallows repeated requests mixes it in.
	Parts(m chat.Message, text string, unique int64) ([]chat.Part, error)
	// Send sends one part and blocks at most for the platform's timeout. Its errors are *chat.Error: retryable kinds may be sent again
	// after RetryAfter; Maybe says that nobody knows whether the person saw it.
	Send(ctx context.Context, m chat.Message, p chat.Part) error
	// Resendable reports whether a part first sent this long ago may be sent again without the person seeing it twice.
	Resendable(age time.Duration) bool
	// Pace is how fast the parts of one conversation may be sent so that the platform drops none; the zero value: as fast as they come.
	Pace() chat.Pace
	// Live is the least time between two updates of partial text; 0: the channel shows none.
	Live() time.Duration
}

// Callback is implemented by channels whose platform posts to /callback/{tenant}/{name}.
type Callback interface {
	// Challenge answers the platform's address verification (GET) with the body to return.
	Challenge(ctx context.Context, d Delivery) ([]byte, error)
	// Open proves who posted, opens the envelope and returns the messages inside. It must not keep anything. Kinds: Unauthenticated (401),
	// Forbidden (403: wrong receiver or agent), Invalid (400: malformed or stale).
	Open(ctx context.Context, d Delivery) (Opened, error)
}

// Runner is implemented by channels that fetch messages themselves: over a connection that they hold to the platform, or by asking it.
type Runner interface {
	// Run receives until ctx ends. It is called once, on every replica, when messages can be accepted; it connects again by itself, logs what is
	// wrong, and returns only after ctx's end. After a change of the tenant's document the new channel's Run begins before the old one's ends.
	Run(ctx context.Context)
}

// Streamer is implemented by channels that show partial text by rewriting something on the platform (a card). Those whose readers come and
// fetch it (the web page) need not: they read the live text.
type Streamer interface {
	// Show replaces what the person sees of the answer to m by text, the whole text so far, as well as it can: it creates what it writes into, once
	// per m.ID over all replicas, and drops an update for which the platform has no budget now. It blocks at most for the platform's timeout. The
	// final text comes by Send, after the last Show has returned or was given up; Send must also end what a dead replica began to show.
	Show(ctx context.Context, m chat.Message, text string) error
}

// PartResender is implemented by channels some of whose parts may be sent again and others not (a card, and a text); it is asked in place of
// Resendable.
type PartResender interface {
	// PartResendable is Resendable for one part. It does not block.
	PartResendable(p chat.Part, age time.Duration) bool
}

// Fetcher is implemented by channels whose messages may hold pictures that must be fetched from the platform.
type Fetcher interface {
	// Fetch returns the pictures of m.Images in their order, each of at most [MaxImage] bytes, from the platform's own or listed hosts only. It blocks
	// at most for the platform's timeout. Kinds: TooLarge, NotFound (expired), Invalid (no picture), and the retryable ones.
	Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error)
}

// MaxImage is the most bytes of one picture that is passed to a model.
const MaxImage = chat.MaxImageBytes

// Page is implemented by channels that serve HTTP of their own below /chat/{tenant}/{name}; the handler sees the full path.
type Page interface {
	http.Handler
}

// Checker is implemented by channels that can ask their platform whether the credentials work, without anybody seeing it.
type Checker interface {
	// Check blocks for the platform's timeout at most. Its error says what is wrong and never holds a secret.
	Check(ctx context.Context) error
}

// Delivery is one request of a platform, read and bounded by the front.
type Delivery struct {
	Query  url.Values
	Header http.Header
	Body   []byte
	Now    time.Time
}

// Opened is what a delivery held. No messages: nothing to do, still acknowledged.
type Opened struct {
	Messages []chat.Message
	Ack      Ack
}

// Ack is the body that the platform wants with its 200; the zero value is an empty body.
type Ack struct {
	ContentType string
	Body        []byte
}

// Inbox takes messages in. Accept returns once the message is stored durably, or an error: then nothing may be acknowledged.
// It returns soon after ctx ends, whatever the store does: the platform is promised its 503 within 2 s. A duplicate is no error.
type Inbox interface {
	Accept(ctx context.Context, m chat.Message) error
}

// TokenCache shares a platform's access tokens between replicas.
type TokenCache interface {
	// Token returns the zero Secret if there is none.
	Token(ctx context.Context, key string) (chat.Secret, error)
	SetToken(ctx context.Context, key string, token chat.Secret, ttl time.Duration) error
	// DropToken removes the token if it still is old: a newer one, fetched by another replica, stays.
	DropToken(ctx context.Context, key string, old chat.Secret) error
}

// Locker gives at most one replica a short lock. It is a courtesy between replicas, not a fence.
type Locker interface {
	// TryLock returns ok=false if another holds it. unlock is safe to call after ttl.
	TryLock(ctx context.Context, key string, ttl time.Duration) (unlock func(), ok bool, err error)
}

// Leader gives a role to one replica at a time, for as long as it renews it.
type Leader interface {
	// Lead calls f while this process has the role key, and blocks until ctx ends. f's ctx ends when the role is lost or ctx ends; f must return
	// soon after. A dead holder's role is taken over within 8 s. Two processes may both believe to hold it for a moment only if one of them stood
	// still. Keys begin with the tenant's name and a slash.
	Lead(ctx context.Context, key string, f func(ctx context.Context))
}

// Limiter shares a platform's budget of calls between all replicas.
type Limiter interface {
	// Take takes the next place at the pace and returns how long to wait before it; ok is false, and nothing is taken, if that were longer than
	// most. Keys begin with the tenant's name and a slash.
	Take(ctx context.Context, key string, p chat.Pace, most time.Duration) (wait time.Duration, ok bool, err error)
}

// Memo keeps small things that a channel must know again on any replica: a cursor, a card's id. Keys begin with the tenant's name and a slash;
// values have at most 64 KiB.
type Memo interface {
	// Recall returns "" if nothing is kept.
	Recall(ctx context.Context, key string) (string, error)
	// Remember keeps value for ttl.
	Remember(ctx context.Context, key, value string, ttl time.Duration) error
	// RememberFirst keeps value unless something is kept, and returns what is kept then: of several writers one wins.
	RememberFirst(ctx context.Context, key, value string, ttl time.Duration) (string, error)
}

// Relay hands something over to the replica that holds a role, such as a platform's only connection.
type Relay interface {
	// Ask hands payload to whoever serves key, on any replica, and returns the answer. It blocks for within at most, and a little longer. An error
	// with Maybe says that somebody took it and did not answer; without, that nobody did, and nobody will. Payloads and answers have at most 64 KiB.
	// Keys begin with the tenant's name and a slash.
	Ask(ctx context.Context, key string, payload []byte, within time.Duration) ([]byte, error)
	// Serve answers what is asked under key by f, some side by side, and blocks until ctx ends and every f has returned. f's ctx does not outlive the
	// time within which the answer is of use; a request whose time is over is never begun, by the clock that all replicas share.
	Serve(ctx context.Context, key string, f func(ctx context.Context, payload []byte) []byte)
}

// LiveReader reads the partial text of a running turn; reading announces interest, without which nothing is written.
type LiveReader interface {
	ReadLive(ctx context.Context, key chat.ConversationKey) (l chat.Live, ok bool, err error)
}

// LiveWatcher is implemented by channels whose readers are on this process, too: it spares them the wait until they look again.
type LiveWatcher interface {
	// LiveChanged says that the live text of a conversation was just written. It does not block.
	LiveChanged(key chat.ConversationKey)
}

// Feed keeps the finished parts of conversations whose reader fetches them (the web page), on any replica, for a limited time.
type Feed interface {
	// Append is idempotent by id: appending an id again, or one below the newest, changes nothing. Ids are "<number>-<number>" and rise.
	Append(ctx context.Context, key chat.ConversationKey, id string, payload []byte, ttl time.Duration) error
	// Read returns entries after the id ("" or "0": from the oldest kept). It does not block.
	Read(ctx context.Context, key chat.ConversationKey, after string) ([]FeedEntry, error)
}

// FeedEntry is one finished part.
type FeedEntry struct {
	ID      string
	Payload []byte
}

// Direct answers single requests of programs, without a conversation. Its methods but Complete do not block.
type Direct interface {
	// Tenant is a tenant as its document stands now; Models are the model classes that it may ask for, the default first (none: the routes are not
	// known yet).
	Tenant(name string) (*chat.Tenant, bool)
	Models(tenant string) []string
	// Complete answers want, of which it uses Turn (which names it in logs, and must be its own), Tenant, User (whose usage it is; hashed there), Model
	// (one of Models), System (which comes after the tenant's own), History, Question, Images, MaxOutput, Sampling, Deltas and DeltaGap. It blocks until
	// the answer is complete and what it cost is stored. emit is called from this goroutine, in order: Started, which may be repeated before the first
	// Delta, but never comes after it; Delta; Finished. Errors are *chat.Error; after a Delta they are final.
	Complete(ctx context.Context, want chat.Request, emit func(chat.Event)) error
}

// Deps is what Parley gives a channel. Platform calls go through HTTP, which has a timeout, follows no redirect and reaches only the
// configured origins.
type Deps struct {
	HTTP    *http.Client
	Origins Origins
	Inbox   Inbox
	Tokens  TokenCache
	Locks   Locker
	Lead    Leader
	Limits  Limiter
	Memo    Memo
	Relay   Relay
	Live    LiveReader
	Feed    Feed
	Direct  Direct
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Trace   *telemetry.Tracer // nil: none
	Now     func() time.Time
	// Loopback: the public listener is on a loopback address; without it an open web channel is refused.
	Loopback bool
	// Checking: `parley check` makes the channel, which nobody will use.
	Checking bool
}

// Origins are the platforms' base addresses from static configuration (`platforms:`), without a trailing slash.
type Origins struct {
	WeCom string
	// WeComBot is where AI bots connect to (wss://…); WeComBotFiles are the origins that their pictures are fetched from.
	WeComBot         string
	WeComBotFiles    []string
	DingTalk         string
	DingTalkWebhooks []string
	// DingTalkFiles are the origins that pictures are fetched from; a host may begin with "*.".
	DingTalkFiles []string
	Feishu        string
	// Hooks are the origins that tenants' moderation hooks may have. No channel calls them.
	Hooks []string
}

// Settings is one entry under `channels:` of a tenant's document. Reading a field marks it as known; what is missing, of the wrong type
// or unknown becomes a fault of the document, so a constructor reads all its fields and need not check each.
type Settings interface {
	Tenant() string
	Name() string
	// Group says whose conversation a group's messages belong to, as the tenant has it: see [ConversationID].
	Group() string
	// Language is the tenant's: zh or en.
	Language() string
	// String is a required text, Optional one with a default.
	String(field string) string
	Optional(field, def string) string
	// Int is a required whole number.
	Int(field string) int64
	// Secret resolves one required reference; Secrets one or a list of them (at least one).
	Secret(field string) chat.Secret
	Secrets(field string) []chat.Secret
	// Faultf adds a fault at the field: what is wrong and how to mend it.
	Faultf(field, format string, args ...any)
}
