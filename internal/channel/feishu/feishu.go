package feishu

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Kind is the word under `kind:`.
const Kind = "feishu"

// The ways in which events come, under `mode:`.
const (
	modeCallback = "callback"
	modeStream   = "stream"
)

const (
	// showEvery is the least time between two updates of a card; the platform takes ten a second of one.
	showEvery = 400 * time.Millisecond
	// repeatable is how long the platform shows a request with the same uuid once; it says an hour.
	repeatable = 55 * time.Minute
)

// bot is one application of one tenant: what both ways in share. It is safe for concurrent use.
type bot struct {
	tenant, name string
	app          string
	group        string // history.group
	cards        bool   // the answer is shown while it grows
	inThread     bool   // answers to groups open a topic
	api          *client
	self         self
	rest         rest // set while the platform refuses cards
	memo         channel.Memo
	metrics      *metrics
	log          *slog.Logger
	now          func() time.Time
}

var (
	_ channel.Channel  = (*bot)(nil)
	_ channel.Checker  = (*bot)(nil)
	_ channel.Streamer = (*bot)(nil)
	_ channel.Fetcher  = (*bot)(nil)
)

// New reads mode, app_id, app_secret, card and reply_in_thread, and for callbacks encrypt_key and verification_token (each one or a list). It
// calls nobody; wrong credentials show when the first message comes or goes.
func New(s channel.Settings, d channel.Deps) (channel.Channel, error) {
	app, secret := s.String("app_id"), s.Secret("app_secret")
	b := &bot{
		tenant: s.Tenant(), name: s.Name(), group: s.Group(), app: app, cards: flag(s, "card", "true"), inThread: flag(s, "reply_in_thread", "false"),
		memo: d.Memo, log: d.Log, now: d.Now,
	}
	if app != "" && !isID(app) {
		s.Faultf("app_id", "%q is no App ID; copy it from the application's 凭证与基础信息 page, it begins with cli_", channel.Printable(app))
	}
	mode := s.Optional("mode", modeCallback)
	var keys, tokens []chat.Secret
	switch mode {
	case modeCallback:
		keys, tokens = s.Secrets("encrypt_key"), s.Secrets("verification_token")
	case modeStream:
	default:
		s.Faultf("mode", "%q is not a mode; write callback or stream", mode)
	}
	if secret.IsZero() {
		return nil, errors.New("app_secret: is missing; copy it from the application's 凭证与基础信息 page")
	}
	b.metrics = newMetrics(d.Metrics, b.tenant, b.name)
	b.api = newClient(b.tenant, app, secret, d)
	if mode == modeStream {
		return &Stream{bot: b, inbox: d.Inbox, within: streamTimes()}, nil
	}
	if missing(keys) || missing(tokens) {
		return nil, errors.New("encrypt_key and verification_token: both are needed in mode callback; copy them from the application's 事件与回调 › 加密策略 page")
	}
	return &Callback{bot: b, keys: newEnvelopes(keys), tokens: tokens}, nil
}

func flag(s channel.Settings, field, def string) bool {
	switch word := s.Optional(field, def); word {
	case "true":
		return true
	case "false":
		return false
	default:
		s.Faultf(field, "%q is neither true nor false", channel.Printable(word))
		return false
	}
}

func missing(secrets []chat.Secret) bool {
	for _, s := range secrets {
		if s.IsZero() {
			return true
		}
	}
	return len(secrets) == 0
}

// isID reports whether text may be an identifier of the platform's: they stand in paths and in cards.
func isID(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return text != "" && len(text) <= maxID && strings.Trim(text, letters) == ""
}

// maxID bounds the identifiers of the platform; they have below 100 bytes.
const maxID = 256

// Kind implements channel.Channel.
func (b *bot) Kind() string { return Kind }

// Live implements channel.Channel: cards show partial text.
func (b *bot) Live() time.Duration {
	if !b.cards {
		return 0
	}
	return showEvery
}

// Pace implements channel.Channel. What the platform bounds is a chat, which several conversations may share; see budget.
func (b *bot) Pace() chat.Pace { return chat.Pace{} }

// Resendable implements channel.Channel: every part bears a uuid, with which the platform shows it once within an hour (document "reply to a message").
func (b *bot) Resendable(age time.Duration) bool { return age < repeatable }

// key names what is remembered of this bot; ids come from outside and are hashed.
func (b *bot) key(what, id string) string {
	return b.tenant + "/feishu/" + b.name + "/" + what + "/" + digest(id)
}

// uuid names a request that the platform must show once, however often it is made: the same on every replica.
func (b *bot) uuid(m chat.Message, what string) string {
	return digest(b.tenant + "\x00" + b.name + "\x00" + m.ID + "\x00" + what)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
