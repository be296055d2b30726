package dingtalk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Kind is the word under `kind:`.
const Kind = "dingtalk"

// The ways in which messages come, under `mode:`.
const (
	modeCallback = "callback"
	modeStream   = "stream"
)

const (
	defaultWindow = 5 * time.Minute
	maxWindow     = time.Hour // what DingTalk itself allows a signature
	// showEvery is the least time between two updates of a card.
	showEvery = 500 * time.Millisecond
)

// robot is one DingTalk robot of one tenant: what both ways in share. It is safe for concurrent use.
type robot struct {
	tenant, name string
	group        string // history.group
	code         string // robotCode
	secrets      []chat.Secret
	window       time.Duration
	template     string // of AI cards; empty: none
	variable     string // the template's variable that holds the answer
	webhooks     []string
	files        []string
	api          *client
	cards        rest // set while the platform refuses cards
	memo         channel.Memo
	metrics      *metrics
	log          *slog.Logger
	now          func() time.Time
}

var (
	_ channel.Channel      = (*robot)(nil)
	_ channel.Checker      = (*robot)(nil)
	_ channel.Streamer     = (*robot)(nil)
	_ channel.PartResender = (*robot)(nil)
	_ channel.Fetcher      = (*robot)(nil)
)

// New reads mode, app_key, app_secret (one or a list: all prove callbacks, the first calls the API), robot_code, card_template, card_key and
// window. It calls nobody; wrong credentials show when the first message comes or goes.
func New(s channel.Settings, d channel.Deps) (channel.Channel, error) {
	key, secrets := s.String("app_key"), s.Secrets("app_secret")
	r := &robot{
		tenant: s.Tenant(), name: s.Name(), group: s.Group(), secrets: secrets, window: window(s),
		code: s.Optional("robot_code", key), template: s.Optional("card_template", ""), variable: s.Optional("card_key", "content"),
		webhooks: d.Origins.DingTalkWebhooks, files: d.Origins.DingTalkFiles, memo: d.Memo, log: d.Log, now: d.Now,
	}
	mode := s.Optional("mode", modeCallback)
	if mode != modeCallback && mode != modeStream {
		s.Faultf("mode", "%q is not a mode; write callback or stream", mode)
	}
	if len(secrets) == 0 {
		return nil, errors.New("app_secret: is missing; copy Client Secret (AppSecret) from the application's 凭证与基础信息 page")
	}
	for _, secret := range secrets {
		if secret.IsZero() {
			return nil, errors.New("app_secret: is empty; copy Client Secret (AppSecret) from the application's 凭证与基础信息 page")
		}
	}
	r.metrics = newMetrics(d.Metrics, r.tenant, r.name)
	r.api = newClient(r.tenant, key, secrets[0], d)
	if mode == modeStream {
		return &Stream{robot: r, inbox: d.Inbox, key: key, within: streamTimes()}, nil
	}
	return &Callback{robot: r, counting: make(chan struct{}, countAtOnce)}, nil
}

func window(s channel.Settings) time.Duration {
	text := s.Optional("window", defaultWindow.String())
	w, err := time.ParseDuration(text)
	if err != nil || w <= 0 || w > maxWindow {
		s.Faultf("window", "%q is no time above 0 and up to %s; write one as 5m", text, maxWindow)
		return defaultWindow
	}
	return w
}

// Kind implements channel.Channel.
func (r *robot) Kind() string { return Kind }

// Live implements channel.Channel: cards show partial text.
func (r *robot) Live() time.Duration {
	if r.template == "" {
		return 0
	}
	return showEvery
}

// Pace implements channel.Channel. What DingTalk takes in one conversation is documented for a group's own webhooks alone: 20 a minute, then
// none for ten minutes. At this pace a minute sees 4 + 15 + 1 at most.
func (r *robot) Pace() chat.Pace { return chat.Pace{Burst: 4, Every: 4 * time.Second} }

// Resendable implements channel.Channel: a text that went to a sessionWebhook or to the robot's API cannot be told from its repetition. Parts
// that are cards can: see PartResendable.
func (r *robot) Resendable(time.Duration) bool { return false }

// PartResendable implements channel.PartResender: ending a card again shows nothing new.
func (r *robot) PartResendable(p chat.Part, age time.Duration) bool {
	content, err := decodePart(p)
	return err == nil && content.Kind == partCard && age < cardKept/2
}

// key names what is remembered of this robot; parts come from outside and are hashed.
func (r *robot) key(what, id string) string {
	sum := sha256.Sum256([]byte(id))
	return r.tenant + "/dingtalk/" + r.name + "/" + what + "/" + hex.EncodeToString(sum[:16])
}
