package llm

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

// Pace is how fast and how long answers are; times in JSON are nanoseconds.
type Pace struct {
	First   time.Duration `json:"first"`   // before the first chunk
	Between time.Duration `json:"between"` // between two chunks
	Chunks  int           `json:"chunks"`  // of an answer; 0: as many as the echo needs
	Spread  time.Duration `json:"spread"`  // an answer of so many Chunks takes longer by this at most, evenly at random
}

// drawn is the pace of one answer.
func (p Pace) drawn() Pace {
	if p.Spread > 0 {
		more := rand.N(p.Spread) / time.Duration(max(1, p.Chunks))
		p.First, p.Between = p.First+more, p.Between+more
	}
	return p
}

// Options configure a Server.
type Options struct {
	Vendor Vendor
	Pace   Pace
	Keys   []string // accepted; none: any that the vendor's form allows, and with OpenAI none at all
	Models []string // known; none: any that the vendor's form allows
	Window int      // tokens of a request at most; 0: any number
	Limits LimitTable
	Rules  []Rule
	// Answer makes the answer to a request's messages, for tests that ask more of it than [Answer] tells; nil: [Answer]. The vendor signs it.
	Answer func([]Message) string
}

// Server is the simulator; it is an http.Handler, safe for concurrent use.
type Server struct {
	mux    *http.ServeMux
	vendor Vendor
	spec   *spec
	keys   map[string]bool
	models map[string]bool
	window int
	custom func([]Message) string
	pace   atomic.Pointer[Pace]
	limits atomic.Pointer[LimitTable]
	rules  rules
	ledger ledger

	mu   sync.Mutex
	seen map[string]bool // request ids
}

// New makes a simulator.
func New(o Options) *Server {
	s := &Server{vendor: o.Vendor, spec: o.Vendor.spec(), keys: map[string]bool{}, custom: o.Answer, window: o.Window, seen: map[string]bool{}}
	for _, k := range o.Keys {
		s.keys[k] = true
	}
	for _, m := range o.Models {
		if s.models == nil {
			s.models = map[string]bool{}
		}
		s.models[m] = true
	}
	s.SetPace(o.Pace)
	s.SetLimits(o.Limits)
	s.SetRules(o.Rules)
	s.mux = s.admin()
	s.mux.HandleFunc("/", s.api)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetPace changes the pace of later requests.
func (s *Server) SetPace(p Pace) { s.pace.Store(&p) }

// SetLimits changes the limits for later requests.
func (s *Server) SetLimits(t LimitTable) { s.limits.Store(&t) }

// SetRules replaces the fault rules and their counters.
func (s *Server) SetRules(list []Rule) { s.rules.set(list) }

// Ledger is a copy of all entries, oldest first.
func (s *Server) Ledger() []Entry { return s.ledger.list() }

// Stats sums up the ledger.
func (s *Server) Stats() Stats { return s.ledger.stats() }

// Keys sums up the calls that were let in by the fingerprints of their keys.
func (s *Server) Keys() map[string]KeyStats { return s.ledger.byKey() }

// Run serves on an address, HTTP/1.1 and h2c both, until ctx ends; then running requests are cut.
func (s *Server) Run(ctx context.Context, addr string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(ctx, l)
}

// Serve is Run on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: s, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 250}} // the writer looks at every open stream of its connection for each frame
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Start serves on a free loopback port. url has no path; stop ends the server and waits for it.
func (s *Server) Start() (url string, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ctx, l)
	}()
	return "http://" + l.Addr().String(), func() { cancel(); <-done }, nil
}

func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	key, code := s.spec.key(s.keys, r)
	if key != "" {
		key = chat.NewSecret(key).Fingerprint()
	}
	if code == "" && r.Method == http.MethodPost && s.spec.takes(r.URL.Path) {
		s.complete(w, r, key)
		return
	}
	s.other(w, r, key, code)
}

func (s *Server) other(w http.ResponseWriter, r *http.Request, key, code string) {
	path := r.URL.Path
	switch {
	case code != "":
		s.refuse(w, Entry{Key: key}, complaint{code, ""})
	case r.Method == http.MethodGet && s.spec.lists(path):
		writeJSON(w, map[string]any{"object": "list", "data": []map[string]string{{"id": "simulated", "object": "model"}}})
	case s.spec.takes(path) && s.vendor == ERNIE:
		s.writeRefusal(w, s.spec.refusal(complaint{code: "method_not_supported"}), 0)
	default:
		s.writeRefusal(w, s.spec.refusal(complaint{code: s.spec.does.path}), 0)
	}
}

// first reports whether an id was never seen before.
func (s *Server) first(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) >= maxEntries {
		clear(s.seen)
	}
	old := s.seen[id]
	s.seen[id] = true
	return !old
}

func (s *Server) answer(messages []Message, e Entry) string {
	if s.custom != nil {
		return s.custom(messages)
	}
	return Answer(e.Earlier, e.Last)
}
