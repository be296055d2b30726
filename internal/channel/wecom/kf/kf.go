// Package kf is the channel of WeCom's customer service (微信客服), kind "wecomkf": people outside the company write from their WeChat to the
// accounts of a company. A callback says only that there is something; the messages are fetched from the platform by a cursor, for each account
// by one replica at a time, and answered with kf/send_msg. It shows no partial text: the platform cannot change what was sent.
//
// Documents: 94670 (callback, sync_msg), 94677 (send_msg), 95122 (send_msg_on_event), 94669 (sessions), 94661 (accounts).
package kf

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// Kind is the word under `kind:`.
const Kind = "wecomkf"

// KF is the customer service of one tenant. It is safe for concurrent use.
type KF struct {
	tenant, name, group string
	envelope            *wecom.Envelope
	client              *wecom.Client
	served              []string // accounts; none: all
	memo                channel.Memo
	locks               channel.Locker
	lead                channel.Leader
	inbox               channel.Inbox
	log                 *slog.Logger
	now                 func() time.Time
	metrics             *metrics
	cutNote             string
	rung                chan string // accounts whose callback came to this process

	mu         sync.Mutex
	registered map[string]time.Time // accounts that this process has entered in the list, and when
}

var (
	_ channel.Channel  = (*KF)(nil)
	_ channel.Callback = (*KF)(nil)
	_ channel.Runner   = (*KF)(nil)
	_ channel.Fetcher  = (*KF)(nil)
	_ channel.Checker  = (*KF)(nil)
)

// New reads corp_id, secret, token and aes_key (the last two: one or a list), and open_kfids, the accounts to serve as one text with spaces
// between them (default: all that callbacks come of). It calls nobody.
func New(s channel.Settings, d channel.Deps) (*KF, error) {
	corp, secret, tokens, keys := s.String("corp_id"), s.Secret("secret"), s.Secrets("token"), s.Secrets("aes_key")
	served := strings.FieldsFunc(s.Optional("open_kfids", ""), func(r rune) bool { return strings.ContainsRune(" ,，、\t\n", r) })
	for _, id := range served {
		if !isID(id) {
			s.Faultf("open_kfids", "%q is no OpenKfId; copy it from the account's page, as wkAbC…, and part several by spaces", id)
		}
	}
	envelope, err := wecom.NewEnvelope(corp, tokens, keys)
	if err != nil {
		return nil, err
	}
	account := wecom.Account{Tenant: s.Tenant(), CorpID: corp, Agent: "kf", Secret: secret}
	note := cutNote
	if s.Language() == "en" {
		note = cutNoteEn
	}
	return &KF{
		cutNote: note, tenant: s.Tenant(), name: s.Name(), group: s.Group(), envelope: envelope, client: wecom.NewClient(account, d), served: served,
		memo: d.Memo, locks: d.Locks, lead: d.Lead, inbox: d.Inbox, log: d.Log.With("tenant", s.Tenant(), "channel", s.Name()), now: d.Now, metrics: newMetrics(d.Metrics, s.Tenant(), s.Name()),
		rung: make(chan string, 256), registered: make(map[string]time.Time),
	}, nil
}

// Kind implements channel.Channel.
func (k *KF) Kind() string { return Kind }

// Live implements channel.Channel: no partial text.
func (k *KF) Live() time.Duration { return 0 }

// Pace implements channel.Channel: the platform names no limit in time beside its five messages for each of the customer's.
func (k *KF) Pace() chat.Pace { return chat.Pace{} }

// Fetch implements channel.Fetcher.
func (k *KF) Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error) {
	return k.client.Pictures(ctx, m.Images)
}

// serves says whether an account is this channel's.
func (k *KF) serves(openKFID string) bool {
	if len(k.served) == 0 {
		return true
	}
	for _, id := range k.served {
		if id == openKFID {
			return true
		}
	}
	return false
}

// key names what is kept of this channel. The parts come from outside: they are escaped, so that no two names are one.
func (k *KF) key(parts ...string) string {
	key := k.tenant + "/wecomkf/" + k.name
	for _, p := range parts {
		key += "/" + url.QueryEscape(p)
	}
	return key
}

// maxID bounds identifiers; the platform's have at most 64 bytes.
const maxID = 128

// isID says whether an identifier has the form of the platform's.
func isID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}
