// Package dingtalk simulates DingTalk (钉钉) as an application's robot meets it, in the true wire formats: it signs and posts messages or pushes them
// over connections of Stream mode, hands out access tokens, takes replies at sessionWebhooks, at the robot's API and as AI cards, with its checks and
// limits, and keeps a ledger of what was said and of what each chat was shown.
//
// It shares no code with internal/channel/dingtalk, so that a fault in one does not hide in the other. Formats are those of
// https://open.dingtalk.com/document and of DingTalk's SDKs; what neither says is said where it is assumed.
package dingtalk

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// App is an application with a robot as its administrator set it up.
type App struct {
	Key    string // AppKey, or Client ID
	Secret string
	Robot  string // RobotCode; empty: Key
	// Callbacks are the replicas behind the robot's one address (HTTP mode), /callback/… included; one that refuses the connection is passed by, as a
	// load balancer does. None: Stream mode.
	Callbacks []string
	Template  string   // a published AI card template; empty: none
	Variable  string   // the template's Markdown variable; empty: content
	Denied    []string // paths of the API that the application has no permission for
}

// Options are the platform's figures; zero values are the documented ones, or assumed where that is said.
type Options struct {
	// AckWithin is how long an acknowledgement may take. Assumed: 5 s over HTTP; SDKs say 60 s for Stream mode.
	AckWithin time.Duration
	// Tries is how often a message is sent that is not acknowledged, over both ways. DingTalk's documents and its SDKs contradict each other; 3.
	Tries       int
	TokenLife   time.Duration // 2 h, whole seconds
	WebhookLife time.Duration // 90 min
	QPS         int           // calls a second that an application has for each API; 20; below 0: no limit
	// PerMinute is how many messages a chat takes by webhook; what is over is refused for 10 minutes. Documented for a group's own webhooks, and taken
	// for these, too; 20; below 0: no limit.
	PerMinute int
	PingEvery time.Duration // frames that ask a connection whether it is there; 30 s
	LeaveTime time.Duration // between a disconnect frame and the end of its connection; 10 s
	Now       func() time.Time
	// OnShown is called for each change of what a chat shows, in order. It must neither block nor call the Sim.
	OnShown func(Shown)
}

// Sim is the platform. It is safe for concurrent use.
type Sim struct {
	opt    Options
	client *http.Client
	ledger *ledger

	mu       sync.Mutex
	origin   string
	apps     map[string]*app
	tokens   map[string]*token
	sessions map[string]*session
	files    map[string]file
	cards    map[string]*card
	tickets  map[string]ticket
	faults   []*Fault
	calls    map[string]int
	recent   map[string][]time.Time // calls of the last second, by application and API
	lastID   int64
}

type app struct {
	App
	signing string // what callbacks are signed with
	current *token
	next    int
	links   map[*link]bool
}

// New makes a platform without applications.
func New(opt Options) *Sim {
	opt.Tries = cmp.Or(opt.Tries, 3)
	opt.TokenLife = cmp.Or(opt.TokenLife, 2*time.Hour)
	opt.WebhookLife = cmp.Or(opt.WebhookLife, 90*time.Minute)
	opt.QPS = cmp.Or(opt.QPS, 20)
	opt.PerMinute = cmp.Or(opt.PerMinute, 20)
	opt.PingEvery = cmp.Or(opt.PingEvery, 30*time.Second)
	opt.LeaveTime = cmp.Or(opt.LeaveTime, 10*time.Second)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 1000
	return &Sim{
		opt:    opt,
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		ledger: newLedger(opt.OnShown), apps: map[string]*app{}, tokens: map[string]*token{}, sessions: map[string]*session{},
		files: map[string]file{}, cards: map[string]*card{}, tickets: map[string]ticket{}, calls: map[string]int{}, recent: map[string][]time.Time{},
		lastID: opt.Now().UnixMicro(),
	}
}

// SetOrigin tells the platform its own address (http://host:port), which it writes into webhooks, endpoints and download addresses. Set it before
// the first message.
func (s *Sim) SetOrigin(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.origin = origin
}

// AddApp adds an application or changes it; a changed secret ends its token, as on the platform.
func (s *Sim) AddApp(a App) error {
	if a.Key == "" || a.Secret == "" {
		return errors.New("an application needs a key and a secret")
	}
	a.Robot, a.Variable = cmp.Or(a.Robot, a.Key), cmp.Or(a.Variable, "content")
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &app{App: a, signing: a.Secret, links: map[*link]bool{}}
	if old := s.apps[a.Key]; old != nil {
		added.links, added.current = old.links, old.current
		if old.Secret != a.Secret {
			added.revoke()
		}
	}
	s.apps[a.Key] = added
	return nil
}

// SignWith lets callbacks be signed with another secret from now on, as while a changed one spreads over the platform.
func (s *Sim) SignWith(key, secret string) error {
	a, err := s.app(key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.signing = secret
	return nil
}

func (s *Sim) app(key string) (*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[key]
	if a == nil {
		return nil, fmt.Errorf("no application %s: add it first", key)
	}
	return a, nil
}

// newID gives an id that no other has, in the form of DingTalk's.
func (s *Sim) newID(prefix string) string { return prefix + rand.Text() + "==" }

// Handler serves the platform's API, its webhooks, its connections and its files.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, do := range map[string]func(*http.Request, []byte) (int, any){
		"POST /v1.0/oauth2/accessToken":              s.accessToken,
		"POST /v1.0/gateway/connections/open":        s.openConnection,
		"POST /v1.0/robot/oToMessages/batchSend":     s.holder(s.sendToPeople),
		"POST /v1.0/robot/groupMessages/send":        s.holder(s.sendToGroup),
		"POST /v1.0/robot/messageFiles/download":     s.holder(s.download),
		"POST /v1.0/card/instances/createAndDeliver": s.holder(s.createCard),
		"PUT /v1.0/card/streaming":                   s.holder(s.streamCard),
		"POST /robot/sendBySession":                  s.sendBySession,
	} {
		mux.HandleFunc(path, s.api(do))
	}
	mux.HandleFunc("GET /connect", s.connect)
	mux.HandleFunc("GET /files/{id}", s.serveFile)
	return mux
}
