package llm

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

// Pace is how fast and how long answers are; times in JSON are nanoseconds.
type Pace struct {
	First   time.Duration `json:"first"`   // before the first chunk
	Between time.Duration `json:"between"` // between two chunks
	Chunks  int           `json:"chunks"`  // of an answer; 0: as many as the echo needs
}

// Options configure a Server.
type Options struct {
	Pace  Pace
	Keys  []string // accepted; none: any, and none at all
	Rules []Rule
	// Answer makes the answer to a request's messages, for tests that ask more of it than [Answer] tells; nil: [Answer].
	Answer func([]Message) string
}

// Server is the simulator; it is an http.Handler, safe for concurrent use.
type Server struct {
	mux    *http.ServeMux
	keys   map[string]bool
	custom func([]Message) string
	pace   atomic.Pointer[Pace]
	rules  rules
	ledger ledger
}

// New makes a simulator.
func New(o Options) *Server {
	s := &Server{mux: http.NewServeMux(), keys: map[string]bool{}, custom: o.Answer}
	for _, k := range o.Keys {
		s.keys[k] = true
	}
	s.SetPace(o.Pace)
	s.SetRules(o.Rules)
	s.mux.HandleFunc("GET /_sim/ledger", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Ledger()) })
	s.mux.HandleFunc("DELETE /_sim/ledger", func(http.ResponseWriter, *http.Request) { s.ledger.clear() })
	s.mux.HandleFunc("GET /_sim/stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Stats()) })
	s.mux.HandleFunc("PUT /_sim/rules", put(func(list []Rule) { s.SetRules(list) }))
	s.mux.HandleFunc("PUT /_sim/pace", put(s.SetPace))
	s.mux.HandleFunc("/", s.api)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetPace changes the pace of later requests.
func (s *Server) SetPace(p Pace) { s.pace.Store(&p) }

// SetRules replaces the fault rules and their counters.
func (s *Server) SetRules(list []Rule) { s.rules.set(list) }

// Ledger is a copy of all entries, oldest first.
func (s *Server) Ledger() []Entry { return s.ledger.list() }

// Stats sums up the ledger.
func (s *Server) Stats() Stats { return s.ledger.stats() }

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
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000}}
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
	key, ok := s.authorized(r)
	switch {
	case !ok:
		s.ledger.end(s.ledger.begin(Entry{Key: key}), Refused, "", 0)
		writeError(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key")
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/chat/completions"):
		s.complete(w, r, key)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/models"):
		writeJSON(w, map[string]any{"object": "list", "data": []map[string]string{{"id": "simulated", "object": "model"}}})
	default:
		writeError(w, http.StatusNotFound, "invalid_request_error", "unknown_url")
	}
}

// authorized returns the key's fingerprint and whether it may call.
func (s *Server) authorized(r *http.Request) (string, bool) {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || key == "" {
		return "", len(s.keys) == 0
	}
	return chat.NewSecret(key).Fingerprint(), len(s.keys) == 0 || s.keys[key]
}

func put[T any](set func(T)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		set(v)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, typ, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(errorBody(typ, code)))
}

func errorBody(typ, code string) string {
	return `{"error":{"message":"simulated","type":` + strconv.Quote(typ) + `,"param":null,"code":` + strconv.Quote(code) + `}}`
}

func (s *Server) answer(messages []Message, e Entry) string {
	if s.custom != nil {
		return s.custom(messages)
	}
	return Answer(e.Earlier, e.Last)
}
