// Package web is the channel of kind "web": a chat page in the browser. The page posts messages and reads one event stream that
// carries finished parts (from the Feed, resumable by id on any replica) and the live text of the turn that runs.
//
// A browser is its own conversation: a random id in a signed cookie, which is never part of an address. With `access: token` the
// cookie is given for one of the tenant's tokens and is signed with it, so that every replica accepts it and taking a token out of
// the list signs its browsers out. With `access: open`, for loopback only, everybody gets one.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// liveGap is how often live text is looked at while a turn runs; faster is not seen, and each look is a read of the store.
	liveGap = 125 * time.Millisecond
	// keepFor is how long finished parts stay readable: a page that is opened again the same day still shows its conversation.
	keepFor = 12 * time.Hour
)

// Channel is one web channel of one tenant. It must be closed when it is replaced or the process ends: open streams outlive requests.
type Channel struct {
	tenant, name string
	base         string // the path of the page, without a trailing slash
	look         look
	open         bool // no token is asked for; loopback only
	doors        []door
	embed        []string // who may frame the page, as CSP sources
	framed       bool     // another site may: then the cookie must be one that browsers keep within its page

	inbox   channel.Inbox
	live    channel.LiveReader
	feed    channel.Feed
	log     *slog.Logger
	now     func() time.Time
	hub     *hub
	logins  chan struct{} // bounds wrong tokens tried at once
	penalty time.Duration // what a wrong token costs
	large   chan struct{} // holds one for each large body in memory
	assets  map[string]asset
}

var (
	_ channel.Channel = (*Channel)(nil)
	_ channel.Page    = (*Channel)(nil)

	_ channel.LiveWatcher = (*Channel)(nil)
	_ channel.Fetcher     = (*Channel)(nil)
)

// New makes a web channel from its entry in the tenant's document; what is wrong there becomes a fault of s. Fields: access (open or
// token), tokens, and optionally embed (space-separated origins that may frame the page, or "self") and the words of [look].
func New(s channel.Settings, d channel.Deps) *Channel {
	c := &Channel{
		tenant: s.Tenant(), name: s.Name(),
		base:  "/chat/" + s.Tenant() + "/" + s.Name(),
		look:  newLook(s),
		inbox: d.Inbox, live: d.Live, feed: d.Feed, log: d.Log, now: d.Now,
		logins: make(chan struct{}, 32), penalty: time.Second, large: make(chan struct{}, largeBodies),
		assets: loadAssets(),
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.hub = newHub(streamGauge(d.Metrics, c.tenant, c.name))
	c.access(s, d)
	c.embed = embedders(s)
	c.framed = slices.ContainsFunc(c.embed, func(source string) bool { return source != "'self'" })
	return c
}

// Kind implements channel.Channel.
func (c *Channel) Kind() string { return "web" }

// Live implements channel.Channel.
func (c *Channel) Live() time.Duration { return 100 * time.Millisecond }

// Pace implements channel.Channel. The feed takes all.
func (c *Channel) Pace() chat.Pace { return chat.Pace{} }

// LiveChanged implements channel.LiveWatcher: the browser's streams in this process look at once, not at their next turn.
func (c *Channel) LiveChanged(key chat.ConversationKey) { c.hub.tell(key.ID, note{}) }

// Resendable implements channel.Channel. The feed ignores an id that it has, so a repeated send is never seen twice.
func (c *Channel) Resendable(time.Duration) bool { return true }

// Close ends the open streams; browsers come back to whoever serves the address then. It may be called more than once.
func (c *Channel) Close() error {
	c.hub.close()
	return nil
}

// part is a finished piece of a reply as the page gets it. It repeats the question, so that a reload shows the whole conversation.
type part struct {
	ID       string    `json:"id"`      // the feed's id
	Message  string    `json:"message"` // the id that the page gave the question
	Part     int       `json:"part"`    // from 1
	Of       int       `json:"of"`
	Question string    `json:"question,omitempty"`
	Images   int       `json:"images,omitempty"` // how many pictures the question had
	Asked    time.Time `json:"asked"`
	Text     string    `json:"text"`
}

// Parts implements channel.Channel. A page takes text of any length, so a reply is one part.
func (c *Channel) Parts(m chat.Message, text string, unique int64) ([]chat.Part, error) {
	if unique < 0 {
		return nil, chat.E(chat.Internal, "web.parts", fmt.Errorf("unique is %d; the feed's ids need a number from 0", unique))
	}
	p, err := json.Marshal(part{
		ID: fmt.Sprintf("%d-1", unique), Message: ownID(m.Conversation.ID, m.ID), Part: 1, Of: 1,
		Question: m.Text, Images: len(m.Images), Asked: m.SentAt, Text: text,
	})
	if err != nil {
		return nil, chat.E(chat.Internal, "web.parts", err)
	}
	return []chat.Part{p}, nil
}

// Send implements channel.Channel: it leaves the part where the conversation's streams, on any replica, find it.
func (c *Channel) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	var head struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(p, &head); err != nil || head.ID == "" {
		return chat.E(chat.Invalid, "web.send", fmt.Errorf("not a part of this channel: %d bytes", len(p)))
	}
	if err := c.feed.Append(ctx, m.Conversation, head.ID, p, keepFor); err != nil {
		return &chat.Error{Kind: chat.KindOf(err), Op: "web.send", Err: err}
	}
	c.hub.tell(m.Conversation.ID, note{sent: true})
	return nil
}

// storedID scopes an id that a page chose: message ids are deduplicated over the whole channel, and nobody may swallow another's.
func storedID(browser, id string) string { return browser + "/" + id }

// ownID is storedID's inverse.
func ownID(browser, stored string) string { return strings.TrimPrefix(stored, browser+"/") }

func streamGauge(reg prometheus.Registerer, tenant, name string) prometheus.Gauge {
	return channel.SharedCollector(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "parley_web_streams", Help: "Event streams that web pages hold open.",
	}, []string{"tenant", "channel"})).WithLabelValues(tenant, name)
}
