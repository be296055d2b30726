package openai

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley/internal/channel"
)

// Entry serves /v1/ of a process's public address: the key that a request shows says which tenant's channel it is for. It is safe for concurrent
// use.
type Entry struct {
	opt     EntryOptions
	metrics *metrics
	bodies  bodies
	// complaints bounds the log lines that callers can cause.
	complaints *rate.Limiter

	// Keys are found by a digest that nobody outside can compute: what the time of a search tells is worth nothing.
	salt [sha256.Size]byte
	mu   sync.RWMutex
	of   map[string][]digest // by tenant
	by   map[digest][]door
}

// EntryOptions make an Entry.
type EntryOptions struct {
	// Loaded reports whether the tenants' documents were read once: before, a key that is not known is no wrong key.
	Loaded func() bool
	Deps   channel.Deps // of which it uses Log, Metrics and Trace; its collectors may be registered only once
}

type digest [sha256.Size]byte

// door is what a key opens.
type door struct {
	c *Channel
	k *key
}

// NewEntry makes an Entry that knows no key.
func NewEntry(o EntryOptions) *Entry {
	e := &Entry{
		opt: o, metrics: newMetrics(o.Deps.Metrics), bodies: bodies{most: maxBodies, within: readWithin}, complaints: rate.NewLimiter(10, 50),
		of: map[string][]digest{}, by: map[digest][]door{},
	}
	_, _ = rand.Read(e.salt[:]) // never fails
	return e
}

// Set puts a tenant's channels in force, in place of those it had; channels of other kinds are passed over.
func (e *Entry) Set(tenant string, channels map[string]channel.Channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.of[tenant] {
		e.by[d] = slices.DeleteFunc(slices.Clone(e.by[d]), func(o door) bool { return o.c.tenant == tenant }) // others read the old list
		if len(e.by[d]) == 0 {
			delete(e.by, d)
		}
	}
	e.of[tenant] = nil
	for _, ch := range channels {
		c, ok := ch.(*Channel)
		if !ok {
			continue
		}
		for _, k := range c.keys {
			d := e.digest(k.secret.Reveal())
			if len(e.by[d]) > 0 {
				e.opt.Deps.Log.Error("an API key stands in the documents of two tenants: requests with it are refused until one of them has another",
					"tenant", tenant, "channel", c.name, "also", e.by[d][0].c.tenant, "key", k.secret.Fingerprint())
			}
			e.by[d] = append(slices.Clip(e.by[d]), door{c, k})
			e.of[tenant] = append(e.of[tenant], d)
		}
	}
}

func (e *Entry) digest(secret string) (d digest) {
	mac := hmac.New(sha256.New, e.salt[:])
	mac.Write([]byte(secret))
	mac.Sum(d[:0])
	return d
}

// enter finds what a request's key opens.
func (e *Entry) enter(r *http.Request) (door, *failure) {
	refused := &failure{status: http.StatusUnauthorized, typ: typeInvalid, code: "invalid_api_key"}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		refused.message = "You didn't provide an API key. Show it in an Authorization header, as Bearer YOUR_KEY."
		return door{}, refused
	}
	d := e.digest(secret)
	e.mu.RLock()
	doors := e.by[d]
	e.mu.RUnlock()
	switch {
	case len(doors) == 1:
		return doors[0], nil
	case len(doors) > 1:
		refused.message = "This API key is not unique, so it is refused. Ask your administrator for another one."
		return door{}, refused
	case !e.opt.Loaded():
		return door{}, unavailable("The keys are not known yet, since this process has just begun. Try again soon.", time.Second)
	}
	refused.message = "Incorrect API key provided. Your administrator has the keys of your company."
	return door{}, refused
}

// ServeHTTP implements http.Handler, for all paths below /v1/.
func (e *Entry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, f := e.enter(r)
	if f != nil {
		e.refuse(w, "", f)
		return
	}
	switch method, serve := e.route(r.URL.Path); {
	case serve == nil:
		e.refuse(w, in.c.tenant, &failure{status: http.StatusNotFound, typ: typeInvalid, code: "unknown_url",
			message: "Unknown request URL. There are POST /v1/chat/completions and GET /v1/models."})
	case r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead):
		w.Header().Set("Allow", method)
		e.refuse(w, in.c.tenant, &failure{status: http.StatusMethodNotAllowed, typ: typeInvalid, code: "method_not_supported", message: "Use " + method + " here."})
	default:
		serve(w, r, in)
	}
}

func (e *Entry) route(path string) (method string, serve func(http.ResponseWriter, *http.Request, door)) {
	switch {
	case path == "/v1/chat/completions":
		return http.MethodPost, e.complete
	case path == "/v1/models", strings.HasPrefix(path, modelPath):
		return http.MethodGet, e.models
	}
	return "", nil
}

// refuse answers with an error.
func (e *Entry) refuse(w http.ResponseWriter, tenant string, f *failure) {
	e.metrics.answered(tenant, f.status)
	f.write(w)
}

// complain logs what a caller cannot mend.
func (e *Entry) complain(r *http.Request, in door, id string, f *failure, err error) {
	if f.status < http.StatusInternalServerError || !e.complaints.Allow() {
		return
	}
	e.opt.Deps.Log.Log(r.Context(), slog.LevelWarn, "an API request failed", "tenant", in.c.tenant, "channel", in.c.name, "turn", id, "status", f.status, "err", err)
}
