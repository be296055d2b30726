// Package wecom simulates WeCom (企业微信) as a self-built application meets it, in the true wire formats: it posts sealed callbacks and
// delivers them again until they are acknowledged, hands out access tokens, takes message/send with its checks, limits and duplicate
// check, and keeps a ledger of what was posted and of what each person was shown.
//
// It shares no code with internal/channel/wecom, so that a fault in one does not hide in the other. Formats and figures are those of
// https://developer.work.weixin.qq.com/document (90236, 90968, 91039, 90312, 96466); what the platform does not document is said where
// it is assumed.
package wecom

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Ref names one application of one corp.
type Ref struct {
	CorpID  string `json:"corp_id"`
	AgentID int64  `json:"agent_id"`
}

// App is a self-built application as its administrator set it up.
type App struct {
	Ref
	Secret string `json:"secret"`
	Token  string `json:"token"`
	AESKey string `json:"aes_key"` // EncodingAESKey, 43 characters
	// Callbacks are the replicas behind the application's one entry, /callback/… included. A replica that refuses the connection is passed
	// by, as a load balancer does.
	Callbacks []string `json:"callbacks"`
	// Users are the members who see the application; none: whoever is written to.
	Users []string `json:"users,omitempty"`
	// Stopped: the administrator disabled it (停用).
	Stopped bool `json:"stopped,omitempty"`
}

// Options are the platform's figures; zero values are the documented ones.
type Options struct {
	AckWithin time.Duration // a callback's deadline: 5 s
	Pause     time.Duration // between the beginnings of two tries; AckWithin if 0, as the platform has it
	Tries     int           // 3 in all
	TokenLife time.Duration // 2 h, whole seconds
	PerMinute int           // messages that one member gets of one application; what is over is dropped silently. 30; below 0: no limit
	PerHour   int           // 1000; below 0: no limit
	// Again is how often a message is delivered once more at most after it was acknowledged, at random moments within Pause: answers get
	// lost on their way, and then the platform does not know. 0: never.
	Again int
	// ByContent makes the duplicate check compare receiver and content only. The default compares whole requests; which of the two the
	// platform does is not documented.
	ByContent bool
	Now       func() time.Time
	// OnShown is called for each message that a person sees, in order. It must neither block nor call the Sim.
	OnShown func(Sent)
}

// Sim is the platform. It is safe for concurrent use.
type Sim struct {
	opt    Options
	client *http.Client
	ledger *ledger

	mu      sync.Mutex
	apps    map[Ref]*app
	tokens  map[string]*token
	media   map[string]medium
	faults  []*Fault
	repeats map[[32]byte]repeat
	lastID  int64
	calls   map[string]int
}

// app is an application's state.
type app struct {
	App
	sealer  *Sealer
	current *token
	next    int // the callback to try first
	users   map[string]bool
}

// New makes a platform without applications.
func New(opt Options) *Sim {
	opt.AckWithin = cmp.Or(opt.AckWithin, 5*time.Second)
	opt.Pause = cmp.Or(opt.Pause, opt.AckWithin)
	opt.Tries = cmp.Or(opt.Tries, 3)
	opt.TokenLife = cmp.Or(opt.TokenLife, 2*time.Hour)
	opt.PerMinute = cmp.Or(opt.PerMinute, 30)
	opt.PerHour = cmp.Or(opt.PerHour, 1000)
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
		apps:   make(map[Ref]*app), tokens: make(map[string]*token), repeats: make(map[[32]byte]repeat), calls: make(map[string]int),
		media:  make(map[string]medium),
		lastID: opt.Now().UnixNano(), // so that a restarted platform repeats no MsgId
	}
}

// AddApp adds an application or replaces it; a replaced one's token is revoked.
func (s *Sim) AddApp(a App) error {
	sealer, err := NewSealer(a.CorpID, a.Token, a.AESKey)
	if err != nil {
		return fmt.Errorf("application %s/%d: %w", a.CorpID, a.AgentID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.apps[a.Ref]; old != nil {
		old.revoke()
	}
	added := &app{App: a, sealer: sealer, users: make(map[string]bool)}
	for _, u := range a.Users {
		added.users[u] = true
	}
	s.apps[a.Ref] = added
	return nil
}

func (s *Sim) app(ref Ref) (*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[ref]
	if a == nil {
		return nil, fmt.Errorf("no application %s/%d: add it first", ref.CorpID, ref.AgentID)
	}
	return a, nil
}

// newID gives a number that rises.
func (s *Sim) newID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	return strconv.FormatInt(s.lastID, 10)
}

// Handler serves the platform's API (/cgi-bin/…) and the simulator's own (/admin/…).
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cgi-bin/gettoken", s.api("gettoken", func(r *http.Request) any { return s.getToken(r) }))
	mux.HandleFunc("POST /cgi-bin/message/send", s.api("message/send", func(r *http.Request) any { return s.send(r) }))
	mux.HandleFunc("GET /cgi-bin/media/get", s.api("media/get", s.getMedia))
	mux.HandleFunc("GET /cgi-bin/agent/get", s.api("agent/get", s.getAgent))
	s.admin(mux)
	return mux
}
