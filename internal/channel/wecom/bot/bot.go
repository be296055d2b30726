package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// Kind is the word under `kind:`.
const Kind = "wecombot"

// The ways in which messages come, under `mode:`.
const (
	modeCallback = "callback"
	modeStream   = "stream"
)

const (
	// maxText is the most bytes of a stream's text, and of a Markdown message (documents 101031, 101138).
	maxText = 20480
	// The platform lets a stream be changed for six minutes (document 101031; for long connections ten have been seen); a tenant may know better.
	defaultWindow = 6 * time.Minute
	minWindow     = 10 * time.Second
	maxWindow     = 30 * time.Minute
	// maxMargin is how long before the window's end a stream is given up at most: clocks, and the way of what is sent last.
	maxMargin = 30 * time.Second
)

// aiBot is one bot of one tenant: what both ways in share. It is safe for concurrent use.
type aiBot struct {
	tenant, name string
	group        string // history.group
	mention      string // the bot's name in groups; empty: not known
	window       time.Duration
	welcome      string
	words        words
	files        []string
	envelope     *wecom.Envelope // nil in stream mode
	http         *http.Client
	memo         channel.Memo
	metrics      *metrics
	log          *slog.Logger
	now          func() time.Time
}

// New reads mode and, for callback mode, token and aes_key (each one or a list), for stream mode bot_id and secret; and optionally window, welcome,
// mention (the bot's name, as people write it in groups after an @) and language. It calls nobody.
func New(s channel.Settings, d channel.Deps) (channel.Channel, error) {
	b := &aiBot{
		tenant: s.Tenant(), name: s.Name(), group: s.Group(), mention: s.Optional("mention", ""), window: window(s), files: d.Origins.WeComBotFiles,
		http: channel.NoRedirects(d.HTTP), memo: d.Memo, log: d.Log.With("tenant", s.Tenant(), "channel", s.Name()), now: d.Now,
	}
	language := s.Optional("language", s.Language())
	words, known := wordsOf(language)
	if b.words = words; !known {
		s.Faultf("language", "%q is not known: use zh or en", language)
	}
	b.welcome = s.Optional("welcome", b.words.welcome)
	if len(b.welcome) > maxText {
		s.Faultf("welcome", "has %d bytes; at most %d are shown", len(b.welcome), maxText)
	}
	b.metrics = newMetrics(d.Metrics, b.tenant, b.name)
	switch mode := s.Optional("mode", modeCallback); mode {
	case modeStream:
		return newStream(b, s, d), nil
	default:
		s.Faultf("mode", "%q is not a mode; write callback or stream", mode)
		fallthrough
	case modeCallback:
		return newCallback(b, s, d)
	}
}

func window(s channel.Settings) time.Duration {
	text := s.Optional("window", defaultWindow.String())
	w, err := time.ParseDuration(text)
	if err != nil || w < minWindow || w > maxWindow {
		s.Faultf("window", "%q is no time from %s to %s; write one as 6m", text, minWindow, maxWindow)
		return defaultWindow
	}
	return w
}

// Kind implements channel.Channel.
func (b *aiBot) Kind() string { return Kind }

// over says whether a stream that began then is not to be changed any more.
func (b *aiBot) over(began time.Time) bool {
	return b.now().Sub(began) > b.window-min(maxMargin, b.window/6)
}

// key names what is kept of one stream, and of the channel where that is no stream's id.
func (b *aiBot) key(of, what string) string {
	return fmt.Sprintf("%s/wb/%s/%s/%s", b.tenant, b.name, of, what)
}

// streamID names the stream that answers a message: the same for each of its deliveries, on every replica.
func (b *aiBot) streamID(messageID string) string { return digest(b.tenant, b.name, messageID) }

func digest(values ...string) string {
	h := sha256.New()
	for _, v := range values {
		_, _ = fmt.Fprintf(h, "%d:%s", len(v), v)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// refusal is an error of the platform as the person's answer meets it. Its limit on messages is of one chat: it must not hold up others.
func refusal(op string, code int64, message string) error {
	err := wecom.Refusal(op, code, message)
	if e, ok := err.(*chat.Error); ok && e.Kind == chat.RateLimited { //nolint:errorlint // as the function above made it
		e.Kind, e.RetryAfter = chat.Overloaded, crowdedFor
	}
	return err
}

// crowdedFor is how long a chat rests that had too many messages: its limit counts the last minute.
const crowdedFor = 20 * time.Second
