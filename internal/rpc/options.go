package rpc

import (
	"time"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// TLS names the PEM files of one side. All of CA, Cert and Key, or none: a part of them is an error, never plaintext. The files are read
// again when they change, at the next handshake.
type TLS struct {
	CA   string // the authorities that may have signed the other side's certificate; nothing else is trusted
	Cert string
	Key  string
	// ServerName is what who calls expects in a server's certificate; empty: the host of the address it dials. A server calls the others.
	ServerName string
}

// Nacos says how to reach a Nacos registry.
type Nacos struct {
	Addrs     []string // host:port of the HTTP port; gRPC is taken to be at port+1000, as Nacos has it
	Namespace string   // empty: public
	Username  string
	Password  chat.Secret
	// PasswordNow reads the password anew, where it may change; nil: it is Password for ever.
	PasswordNow func() chat.Secret
	CA          string // a PEM file; not empty: speak TLS, and trust only these authorities
	Snapshot    string // a file that keeps the last list of servers, for a start while Nacos does not answer; empty: none
}

// Registry says where instances are found, and where a server announces itself.
type Registry struct {
	Mode   string   // "nacos" or "direct"
	Direct []string // direct: the servers' host:port
	Nacos  Nacos
}

// The registry modes.
const (
	ModeNacos  = "nacos"
	ModeDirect = "direct"
)

// ServerOptions configure a [Server]. Zero values of Streams, Renew, Drain and Linger take defaults.
type ServerOptions struct {
	Listen string // host:port; an empty or wildcard host means every interface
	// Advertise is the host, or host:port, that clients are told; empty: the listener's host, or for a wildcard the first
	// non-loopback address of this machine.
	Advertise string
	TLS       TLS
	Insecure  bool // allow plaintext beyond loopback
	Registry  Registry
	Streams   int           // running completions at once, 20,000 by default; above it a call is answered Overloaded
	Drain     time.Duration // how long running completions may go on after the end was asked for, 190 s by default
	Linger    time.Duration // how long new calls are still taken after leaving the registry, 700 ms by default
	// Renew is how long a connection under TLS takes new calls; then its client is asked to make another, with whatever certificates are in force by
	// then, and running calls end where they are. 30 minutes by default: of a connection that stands TLS asks nothing more.
	Renew     time.Duration
	Handler   Handler
	Documents func() []Document           // for Inspect; may be nil
	Providers func() []chat.ProviderState // for Inspect; may be nil
	Alone     func() string               // for Inspect: why this server counts calls with keys by itself; may be nil
	Keys      KeyHandler                  // nil: other servers are told that there is none
	Version   string
	Telemetry *telemetry.Telemetry // nil: none
}

// ClientOptions configure a [Client].
type ClientOptions struct {
	TLS      TLS
	Insecure bool // allow plaintext to servers beyond loopback: the requests carry provider keys
	Registry Registry
	// Self is the address of the server that this client belongs to, empty if to none: that one is never called, and the others are watched
	// closely.
	Self      string
	Telemetry *telemetry.Telemetry // nil: none
}

const (
	defaultStreams = 20_000
	defaultRenew   = 30 * time.Minute
	defaultDrain   = 190 * time.Second
	// Who has turns here probes every 300 ms, and all others hear it from the registry: within this time all have seen that the server
	// leaves. Without a registry, an idle client's next call may still be refused; it goes on elsewhere at once.
	defaultLinger = 700 * time.Millisecond
	// Windows of flow control, fixed: otherwise gRPC measures what each connection bears by a ping with nearly every message, which costs a call at
	// rest four more writes and as many wakeups. A request with its history fits a stream's; what thousands of streams send at once a connection's.
	streamWindow, connWindow = 1 << 20, 16 << 20
	// maxEvent and maxRequest bound an event and a request in bytes: a context of a million tokens fits, and beside it a question's pictures.
	maxEvent   = 16 << 20
	maxRequest = maxEvent + chat.MaxImages*chat.MaxImageBytes
	// maxHeld bounds the pictures of all requests that an instance answers at once, in bytes: a provider's call holds them three times over.
	maxHeld = 256 << 20
)

func (o ServerOptions) withDefaults() ServerOptions {
	if o.Streams <= 0 {
		o.Streams = defaultStreams
	}
	if o.Drain <= 0 {
		o.Drain = defaultDrain
	}
	if o.Linger <= 0 {
		o.Linger = defaultLinger
	}
	switch {
	case o.TLS.empty():
		o.Renew = 0
	case o.Renew <= 0:
		o.Renew = defaultRenew
	}
	if o.Alone == nil {
		o.Alone = func() string { return "" }
	}
	if o.Providers == nil {
		o.Providers = func() []chat.ProviderState { return nil }
	}
	if o.Documents == nil {
		o.Documents = func() []Document { return nil }
	}
	if o.Telemetry == nil {
		o.Telemetry = telemetry.Discard()
	}
	return o
}
