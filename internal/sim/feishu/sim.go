// Package feishu simulates Feishu (飞书) as a self-built application meets it, in the true wire formats: it posts sealed and signed events, or gives
// them to connections that the application holds, and delivers them again until they are acknowledged; it hands out access tokens, takes replies with
// their uuids, cards with their sequences, and gives messages and pictures back; it keeps a ledger of what was posted and of what people were shown.
//
// It shares no code with internal/channel/feishu, so that a fault in one does not hide in the other. Formats and figures are those of
// https://open.feishu.cn/document and, for the connection's frames, of Feishu's SDKs; what the platform does not document is said where it is
// assumed.
package feishu

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// App is a self-built application with a bot, as its administrator set it up.
type App struct {
	AppID     string
	AppSecret string
	// EncryptKey and VerificationToken are those of the page 加密策略.
	EncryptKey        string
	VerificationToken string
	BotID             string // the bot's open_id; empty: one that is made of AppID
	BotName           string // empty: Parley
	// Callbacks are the replicas behind the application's one entry, /callback/… included. A replica that refuses the connection is passed
	// by, as a load balancer does.
	Callbacks []string
	// Stream: events go to the connections that the application holds, and not to callbacks.
	Stream bool
	// Scopes that the company granted; nil: all that are known here.
	Scopes []string
	// NoTopics: groups refuse replies in topics.
	NoTopics bool
	Stopped  bool // the company stopped the application
}

// AllScopes are those that the simulator asks for.
func AllScopes() []string {
	return []string{"im:message", "im:message:send_as_bot", "im:message.p2p_msg:readonly", "im:message.group_at_msg:readonly", "cardkit:card:write"}
}

// Options are the platform's figures; zero values are the documented ones.
type Options struct {
	AckWithin time.Duration   // an event's deadline: 3 s
	Retries   []time.Duration // the pauses before it is delivered again: 15 s, 5 min, 1 h, 6 h
	TokenLife time.Duration   // 2 h, whole seconds
	// PerSecond and PerMinute bound each API of an application: 50 and 1000; PerChat the messages that a chat gets in a second: 5; PerCard the changes
	// of a card in a second: 10. Below 0: no limit.
	PerSecond, PerMinute, PerChat, PerCard int
	StreamFor                              time.Duration // how long a card is in streaming mode: 10 min
	// Again is how often an event is delivered once more at most after it was acknowledged. 0: never.
	Again int
	// SplitAt is how many bytes of an event one frame holds at most; 0: all.
	SplitAt      int
	PingInterval time.Duration // what connections are told, whole seconds: 120 s
	Now          func() time.Time
	// OnShown is called for each message that people see, and again for each change of its text, in order. It must neither block nor call the Sim.
	OnShown func(Shown)
}

// Sim is the platform. It is safe for concurrent use.
type Sim struct {
	opt    Options
	client *http.Client
	ledger *ledger

	mu       sync.Mutex
	apps     map[string]*app
	tokens   map[string]*token
	messages map[string]*stored
	images   map[string]image // by key
	cards    map[string]*card
	uuids    map[string]once // by application and uuid
	calls    map[string]int
	windows  map[string][]time.Time // when a limited thing happened
	tickets  map[string]string      // the application of each that is not used
	faults   []*Fault
	lastID   int64
}

// app is an application's state.
type app struct {
	App
	current *token
	next    int // the callback to try first
	conns   []*conn
}

// once is a request that was shown.
type once struct {
	message string
	at      time.Time
}

// New makes a platform without applications.
func New(opt Options) *Sim {
	opt.AckWithin = cmp.Or(opt.AckWithin, 3*time.Second)
	if opt.Retries == nil {
		opt.Retries = []time.Duration{15 * time.Second, 5 * time.Minute, time.Hour, 6 * time.Hour}
	}
	opt.TokenLife, opt.StreamFor = cmp.Or(opt.TokenLife, 2*time.Hour), cmp.Or(opt.StreamFor, 10*time.Minute)
	opt.PerSecond, opt.PerMinute = cmp.Or(opt.PerSecond, 50), cmp.Or(opt.PerMinute, 1000)
	opt.PerChat, opt.PerCard = cmp.Or(opt.PerChat, 5), cmp.Or(opt.PerCard, 10)
	opt.PingInterval = cmp.Or(opt.PingInterval, 2*time.Minute)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 1000
	return &Sim{
		opt:    opt,
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		ledger: newLedger(opt.OnShown),
		apps:   make(map[string]*app), tokens: make(map[string]*token), messages: make(map[string]*stored), images: make(map[string]image),
		cards: make(map[string]*card), uuids: make(map[string]once), calls: make(map[string]int), windows: make(map[string][]time.Time),
		tickets: make(map[string]string), lastID: opt.Now().UnixNano(), // so that a restarted platform repeats no id
	}
}

// AddApp adds an application or replaces it; a replaced one's token is revoked, and its connections stay.
func (s *Sim) AddApp(a App) error {
	if a.AppID == "" || a.AppSecret == "" {
		return fmt.Errorf("application %q: AppID and AppSecret are needed", a.AppID)
	}
	a.BotID, a.BotName = cmp.Or(a.BotID, "ou_bot_"+a.AppID), cmp.Or(a.BotName, "Parley")
	if a.Scopes == nil {
		a.Scopes = AllScopes()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &app{App: a}
	if old := s.apps[a.AppID]; old != nil {
		added.conns = old.conns
		if old.current != nil {
			old.current.revoked = true
		}
	}
	s.apps[a.AppID] = added
	return nil
}

func (s *Sim) app(id string) (*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[id]
	if a == nil {
		return nil, fmt.Errorf("no application %s: add it first", id)
	}
	return a, nil
}

// newID gives an id that was never given.
func (s *Sim) newID(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id(prefix)
}

func (s *Sim) id(prefix string) string {
	s.lastID++
	return prefix + strconv.FormatInt(s.lastID, 10)
}

// over reports whether one more would be more than most of a thing within d; if not, it is counted. The caller holds the lock.
func (s *Sim) over(what string, most int, d time.Duration) bool {
	if most < 0 {
		return false
	}
	now := s.opt.Now()
	list := s.windows[what]
	list = slices.DeleteFunc(list, func(t time.Time) bool { return now.Sub(t) >= d })
	s.windows[what] = list
	if len(list) >= most {
		return true
	}
	s.windows[what] = append(list, now)
	return false
}

// Handler serves the platform: its API (/open-apis/…), and what connections are opened with.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open-apis/auth/v3/tenant_access_token/internal", s.open("token", s.getToken))
	mux.HandleFunc("GET /open-apis/bot/v3/info", s.api("bot", "", s.getBot))
	mux.HandleFunc("GET /open-apis/application/v6/scopes", s.api("scopes", "", s.getScopes))
	mux.HandleFunc("POST /open-apis/im/v1/messages", s.api("send", "im:message", s.send))
	mux.HandleFunc("POST /open-apis/im/v1/messages/{id}/reply", s.api("reply", "im:message", s.reply))
	mux.HandleFunc("GET /open-apis/im/v1/messages/{id}", s.api("message", "im:message", s.getMessage))
	mux.HandleFunc("GET /open-apis/im/v1/messages/{id}/resources/{key}", s.api("resource", "im:message", s.getResource))
	const cards = "cardkit:card:write"
	mux.HandleFunc("POST /open-apis/cardkit/v1/cards", s.api("card", cards, s.createCard))
	mux.HandleFunc("PUT /open-apis/cardkit/v1/cards/{id}", s.api("update", cards, s.updateCard))
	mux.HandleFunc("PATCH /open-apis/cardkit/v1/cards/{id}/settings", s.api("settings", cards, s.setCard))
	mux.HandleFunc("PUT /open-apis/cardkit/v1/cards/{id}/elements/{element}/content", s.api("content", cards, s.streamCard))
	mux.HandleFunc("POST /open-apis/cardkit/v1/cards/{id}/batch_update", s.api("finish", cards, s.batchCard))
	mux.HandleFunc("POST /callback/ws/endpoint", s.open("endpoint", s.endpoint))
	mux.HandleFunc("GET /ws/v2", s.connect)
	return mux
}
