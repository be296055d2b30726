// Package bot simulates WeCom's AI bots (智能机器人) in the true wire formats: sealed JSON callbacks whose answer is a stream that the platform then
// polls (documents 100719, 101031, 101033), response_url (101138), and the long connection (101463), as the vendor's own SDK speaks it.
//
// It shares no code with internal/channel/wecom. What the platform does not document is said where it is assumed.
package bot

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"parley/internal/sim/wecom"
)

// Bot is an AI bot as its administrator set it up: with callbacks, or with a secret for the long connection.
type Bot struct {
	ID     string `json:"id"` // aibotid
	Name   string `json:"name,omitempty"`
	Token  string `json:"token,omitempty"`
	AESKey string `json:"aes_key,omitempty"` // EncodingAESKey, 43 characters
	// Callbacks are the replicas behind the bot's one address, /callback/… included. One that refuses the connection is passed by.
	Callbacks []string `json:"callbacks,omitempty"`
	Secret    string   `json:"secret,omitempty"`
}

// Options are the platform's figures; zero values are the documented ones.
type Options struct {
	AckWithin time.Duration // for a callback's answer, and between two tries: 5 s
	Tries     int           // of a callback: 3
	PollEvery time.Duration // 1 s
	Window    time.Duration // from a message to the last state of its stream: 6 min
	Again     int           // how often an acknowledged message is delivered once more at most, at random moments. 0: never
	// KeepRequests lets a later connection answer what an earlier one was given. Which of the two the platform does is not documented; the
	// default is that it refuses with 846605.
	KeepRequests bool
	Now          func() time.Time
	// OnShown is called for each state that a person sees of an answer, in order. It must neither block nor call the Sim.
	OnShown func(Shown)
}

// Shown is what a person sees in answer to a message, now. Later states replace earlier ones with the same Of; what is Extra stands by itself.
type Shown struct {
	Bot, User, Chat string
	Of              string // the message answered; empty: sent by itself
	Text            string
	Finished        bool
	Extra           bool // a message of its own: response_url, welcome, aibot_send_msg
	At              time.Time
}

// The platform's limits.
const (
	maxContent  = 20480
	maxInFlight = 3 // messages of one person to one bot whose streams are open
	responseFor = time.Hour
	mediaFor    = 5 * time.Minute
	answerFor   = 5 * time.Second // of events on the long connection
)

// Sim is the platform. It is safe for concurrent use.
type Sim struct {
	opt    Options
	client *http.Client

	mu       sync.Mutex
	origin   string
	bots     map[string]*bot
	answers  map[string]*answer // by message
	codes    map[string]*code
	media    map[string]media
	posted   []Posted
	shown    []Shown
	wrong    []string
	faults   []*Fault
	requests map[string]request
	silent   bool // the long connection acknowledges nothing
}

type bot struct {
	Bot
	sealer *wecom.Sealer
	next   int // the callback to try first
	link   *link
}

// answer is the stream that answers a message.
type answer struct {
	bot, user, chat, message string
	stream                   string // as the answerer named it
	since                    time.Time
	finished                 bool
	over                     bool // nothing is polled any more
	fresh                    chan struct{}
}

// code is what a response_url holds.
type code struct {
	bot, user, chat, message string
	until                    time.Time
	used                     bool
}

// New makes a platform without bots.
func New(opt Options) *Sim {
	opt.AckWithin = cmp.Or(opt.AckWithin, 5*time.Second)
	opt.Tries = cmp.Or(opt.Tries, 3)
	opt.PollEvery = cmp.Or(opt.PollEvery, time.Second)
	opt.Window = cmp.Or(opt.Window, 6*time.Minute)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	return &Sim{
		opt: opt, client: &http.Client{Transport: transport, CheckRedirect: noRedirect}, bots: map[string]*bot{}, answers: map[string]*answer{},
		codes: map[string]*code{}, media: map[string]media{}, requests: map[string]request{},
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// At tells the Sim where its handler is served (http://127.0.0.1:1234), for the addresses that it hands out.
func (s *Sim) At(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.origin = origin
}

// AddBot sets a bot up, or changes it.
func (s *Sim) AddBot(b Bot) error {
	if b.ID == "" {
		return fmt.Errorf("a bot needs an id")
	}
	n := &bot{Bot: b}
	if len(b.Callbacks) > 0 || b.Token != "" {
		sealer, err := wecom.NewSealer("", b.Token, b.AESKey) // the receiver of an AI bot is empty
		if err != nil {
			return err
		}
		n.sealer = sealer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.bots[b.ID]; old != nil {
		n.link = old.link
	}
	s.bots[b.ID] = n
	return nil
}

func (s *Sim) bot(id string) (*bot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bots[id]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("there is no bot %q", id)
}

// Handler serves what bots call: response_url, pictures, and the long connection at /.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cgi-bin/aibot/response", s.respond)
	mux.HandleFunc("GET /aibot/media/{id}", s.serveMedia)
	mux.HandleFunc("GET /{$}", s.connect)
	return mux
}

// show notes what a person sees.
func (s *Sim) show(n Shown) {
	n.At = s.opt.Now()
	s.mu.Lock()
	s.shown = append(s.shown, n)
	s.mu.Unlock()
	if s.opt.OnShown != nil {
		s.opt.OnShown(n)
	}
}

// violate notes what the platform would not have taken.
func (s *Sim) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// Close ends the long connections.
func (s *Sim) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bots {
		if b.link != nil {
			b.link.end()
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newID() string { return rand.Text() }
