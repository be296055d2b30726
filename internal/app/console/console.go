package console

import (
	"cmp"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/audit"
)

// Options say what a console works with.
type Options struct {
	Desk      *operate.Desk
	Env       wire.Env // Stderr gets the audit's lines
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Users     []User
	Idle      time.Duration
	Most      time.Duration
	Base      string         // the path below which it is mounted, without a slash at the end; empty: the root
	PublicURL string         // scheme://host of browsers; empty: an IP address or localhost
	Secure    bool           // browsers speak https: cookies are for https alone
	Proxies   []netip.Prefix // whose X-Forwarded-For is believed
	Look      bool           // admins may read texts
	ReadOnly  bool           // documents are shown, and neither they nor the switches changed
	Invited   func(string)   // is told of the next invitation when one was used; nil: there are none
	Now       func() time.Time
}

// User may log in. Hash is as [Hash] makes it.
type User struct {
	Name string
	Role Role
	Hash string
}

// Console answers the page and its API. Safe for concurrent use.
type Console struct {
	opt      Options
	mux      *http.ServeMux
	origin   *http.CrossOriginProtection
	sessions *sessions
	limits   *limits
	hashes   hashes
	status   shared[StatusAnswer]
	invite   atomic.Pointer[string]
	logins   *prometheus.CounterVec
}

// New makes a console. Its error is a fault of the options.
func New(o Options) (*Console, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Console{opt: o, mux: http.NewServeMux(), origin: http.NewCrossOriginProtection(), limits: newLimits()}
	c.sessions = newSessions(o.Idle, o.Most)
	if err := c.hashes.open(o.Users); err != nil {
		return nil, err
	}
	if o.PublicURL != "" {
		if err := c.origin.AddTrustedOrigin(o.PublicURL); err != nil {
			return nil, err
		}
	}
	c.logins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parley_console_logins_total", Help: "Logins at the console, by what became of them: ok, refused, limited.",
	}, []string{"result"})
	if o.Metrics != nil {
		o.Metrics.MustRegister(c.logins)
	}
	for _, r := range routes() {
		c.mux.Handle(r.method+" "+r.path, c.guard(r))
	}
	return c, nil
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
	if c.opt.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if !c.ours(r.Host) {
		fail(w, refusal{http.StatusForbidden, "forbidden", "the console does not answer to this name: set public_url to the address that browsers use"})
		return
	}
	c.mux.ServeHTTP(w, r)
}

// ours is false for a name that another site could point here: its page would then be of the same origin.
func (c *Console) ours(host string) bool {
	if u, err := url.Parse(c.opt.PublicURL); err == nil && u.Host != "" && strings.EqualFold(u.Host, host) {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// env is in whose name a session acts.
func (c *Console) env(by string) wire.Env {
	return wire.Env{Stdout: io.Discard, Stderr: cmp.Or[io.Writer](c.opt.Env.Stderr, io.Discard), Version: c.opt.Env.Version, By: by, Via: audit.ViaConsole}
}

// from is the address of who asks: the nearest that is no proxy of ours.
func (c *Console) from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && c.proxy(host); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		host = hop.Unmap().String()
	}
	return host
}

func (c *Console) proxy(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range c.opt.Proxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
