package channel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// MaxBody is the most bytes that a callback may hold. Platforms send a few KiB; what is larger gets 413.
const MaxBody = 1 << 20

const (
	// acceptWithin leaves room for the network in the promise to answer 503 within 2 s when the store cannot write.
	acceptWithin    = 1500 * time.Millisecond
	challengeWithin = time.Second
	// readWithin ends the request of a peer that sends its body drop by drop; platforms themselves give up after 5 s.
	readWithin = 5 * time.Second
	// smallBody is more than platforms' messages have. Larger bodies come from whoever has the address as well, before any signature can be
	// checked: at most largeBodies of them are in memory at once, or a thousand slow ones would fill it. Others wait for crowdedFor.
	smallBody   = 32 << 10
	largeBodies = 16
	crowdedFor  = time.Second
)

var errCrowded = errors.New("too many large bodies at once")

// Lookup finds a tenant's channel by the two names in the path. It must not block. Errors are of kind NotFound (404: there is no such
// tenant or channel, or it is suspended) or Unavailable (503: this process should serve it and cannot yet, another replica may).
type Lookup func(tenant, channel string) (Channel, error)

// Front serves what chat platforms call (/callback/{tenant}/{channel}) and the pages of channels that have some (/chat/{tenant}/{channel}
// and below). A callback is bounded, opened by its channel, stored, and only then acknowledged; the caller learns nothing but the status.
// It is safe for concurrent use.
type Front struct {
	lookup  Lookup
	inbox   Inbox
	log     *slog.Logger
	now     func() time.Time
	metrics *frontMetrics
	trace   *telemetry.Tracer
	mux     *http.ServeMux
	// complaints bounds the log lines that strangers can cause.
	complaints *rate.Limiter
	large      chan struct{} // holds one for each large body in memory
}

// NewFront makes the front of one process. Of d it uses Inbox, Log, Metrics and Now; its collectors may be registered only once.
func NewFront(lookup Lookup, d Deps) *Front {
	f := &Front{
		lookup: lookup, inbox: d.Inbox, log: d.Log, now: d.Now,
		metrics: newFrontMetrics(d.Metrics), trace: d.Trace, mux: http.NewServeMux(), complaints: rate.NewLimiter(10, 50),
		large: make(chan struct{}, largeBodies),
	}
	f.mux.HandleFunc("/callback/{tenant}/{channel}", f.callback)
	f.mux.HandleFunc("/chat/{tenant}/{channel}", f.page)
	f.mux.HandleFunc("/chat/{tenant}/{channel}/{rest...}", f.page)
	return f
}

// ServeHTTP implements http.Handler. Paths that are neither a callback nor a page get 404.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

func (f *Front) page(w http.ResponseWriter, r *http.Request) {
	c, err := f.lookup(r.PathValue("tenant"), r.PathValue("channel"))
	page, isPage := c.(Page)
	if err == nil && !isPage {
		err = chat.E(chat.NotFound, "channel.page", nil)
	}
	if err != nil {
		http.Error(w, http.StatusText(statusOf(err)), statusOf(err))
		return
	}
	page.ServeHTTP(w, r)
}

func (f *Front) callback(w http.ResponseWriter, r *http.Request) {
	c, err := f.lookup(r.PathValue("tenant"), r.PathValue("channel"))
	cb, isCallback := c.(Callback)
	if err == nil && !isCallback {
		err = chat.E(chat.NotFound, "channel.callback", nil)
	}
	if err != nil {
		f.refuse(w, r, unknownKind, statusOf(err), chat.KindOf(err).String(), nil)
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.challenge(w, r, c.Kind(), cb)
	case http.MethodPost:
		f.post(w, r, c.Kind(), cb)
	default:
		w.Header().Set("Allow", "GET, POST")
		f.refuse(w, r, c.Kind(), http.StatusMethodNotAllowed, "method", nil)
	}
}

func (f *Front) challenge(w http.ResponseWriter, r *http.Request, kind string, cb Callback) {
	ctx, cancel := context.WithTimeout(r.Context(), challengeWithin)
	defer cancel()
	body, err := cb.Challenge(ctx, Delivery{Query: r.URL.Query(), Header: r.Header, Now: f.now()})
	if err != nil {
		f.refuse(w, r, kind, statusOf(err), chat.KindOf(err).String(), err)
		return
	}
	write(w, Ack{Body: body})
}

func (f *Front) post(w http.ResponseWriter, r *http.Request, kind string, cb Callback) {
	start := time.Now()
	// Not every writer can set a deadline (tests' recorders cannot); the body's bound holds all the same.
	_ = http.NewResponseController(w).SetReadDeadline(start.Add(readWithin))
	body, done, err := f.read(w, r)
	if err != nil {
		status, reason := http.StatusBadRequest, "body"
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status, reason = http.StatusRequestEntityTooLarge, "too_large"
		} else if errors.Is(err, errCrowded) {
			status, reason = http.StatusServiceUnavailable, "crowded"
		}
		f.refuse(w, r, kind, status, reason, err)
		return
	}
	defer done()
	ctx, span := f.trace.Start(r.Context(), "callback "+kind, telemetry.Server)
	defer func() { span.End(err) }()
	if span.On() {
		span.Set(telemetry.String("parley.tenant", r.PathValue("tenant")), telemetry.String("parley.channel", r.PathValue("channel")))
	}
	opened, err := cb.Open(ctx, Delivery{Query: r.URL.Query(), Header: r.Header, Body: body, Now: f.now()})
	if err != nil {
		f.refuse(w, r, kind, statusOf(err), chat.KindOf(err).String(), err)
		return
	}
	if err = ackFirst(f.accept)(ctx, opened.Messages); err != nil {
		// Whatever the store's reason: nothing was acknowledged, and the platform delivers again.
		reason := "store"
		told := err
		if e, ok := errors.AsType[*chat.Error](err); ok && e.Code == chat.CodeMemory {
			reason, told = e.Code, nil
		}
		f.refuse(w, r, kind, http.StatusServiceUnavailable, reason, told)
		return
	}
	write(w, opened.Ack)
	f.metrics.accepted.WithLabelValues(kind).Inc()
	f.metrics.ack.WithLabelValues(kind).Observe(time.Since(start).Seconds())
}

// read takes a request's body into memory; without an error, done says that it is no longer needed.
func (f *Front) read(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close") // the rest is not read
		return nil, nil, &http.MaxBytesError{Limit: MaxBody}
	}
	in := http.MaxBytesReader(w, r.Body, MaxBody)
	body, err = io.ReadAll(io.LimitReader(in, smallBody))
	if err != nil || len(body) < smallBody {
		return body, func() {}, err
	}
	select {
	case f.large <- struct{}{}:
	case <-time.After(crowdedFor):
		w.Header().Set("Connection", "close")
		return nil, nil, errCrowded
	}
	done = func() { <-f.large }
	rest, err := io.ReadAll(in)
	if err != nil {
		done()
		return nil, nil, err
	}
	return append(body, rest...), done, nil
}

// accept stores all messages of a delivery. After a failure some may be stored; the next delivery finds them as duplicates.
func (f *Front) accept(ctx context.Context, messages []chat.Message) error {
	ctx, cancel := context.WithTimeout(ctx, acceptWithin)
	defer cancel()
	for _, m := range messages {
		if err := f.inbox.Accept(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// statusOf maps a channel's refusal to the statuses that a platform is promised; what is not the caller's fault asks it to come again.
func statusOf(err error) int {
	switch status := chat.KindOf(err).HTTPStatus(); {
	case status < http.StatusInternalServerError && status != http.StatusTooManyRequests && status != 499:
		return status
	default:
		return http.StatusServiceUnavailable
	}
}

func (f *Front) refuse(w http.ResponseWriter, r *http.Request, kind string, status int, reason string, err error) {
	f.metrics.refused.WithLabelValues(kind, reason).Inc()
	if status == http.StatusServiceUnavailable {
		f.metrics.away.Inc()
	}
	http.Error(w, http.StatusText(status), status)
	if err == nil || !f.complaints.Allow() {
		return
	}
	level := slog.LevelWarn
	if status == http.StatusServiceUnavailable {
		level = slog.LevelError
	}
	f.log.Log(r.Context(), level, "callback refused", "tenant", r.PathValue("tenant"), "channel", r.PathValue("channel"),
		"kind", kind, "status", status, "reason", reason, "err", err)
}

func write(w http.ResponseWriter, a Ack) {
	if a.ContentType == "" {
		a.ContentType = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", a.ContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.Body) // a caller that went away delivers again
}
