package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/invocation"
	"dubbo.apache.org/dubbo-go/v3/registry"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// Client asks servers for completions. It is safe for concurrent use.
type Client struct {
	pool     *pool
	registry registry.Registry
	invoker  base.Invoker
	creds    credentials.TransportCredentials
	plainOK  bool
	metrics  *clientMetrics
	trace    *telemetry.Tracer
}

// Instance is one server as this client sees it.
type Instance struct {
	Address string  // host:port
	Weight  float64 // from the registry; 0 gets nothing
	Enabled bool    // false: taken out in the registry, or not in it any more
	Up      bool    // its last probe succeeded, and no call failed since
	Streams int     // completions running there that this client asked for
	Misfit  string  // why it and this client do not understand each other; then it gets nothing
}

// Status is what an instance tells of itself.
type Status struct {
	Instance    string
	Version     string
	Streams     int
	StreamLimit int
	Draining    bool
	Protocol    int // that it speaks
	Needs       int // the oldest that it takes
	Documents   []Document
	Providers   []chat.ProviderState
	// Alone is why the server counts calls with keys by itself now: what it lets run comes on top of their limits. Empty: it does not.
	Alone string
}

// Dial makes a client and begins to look for servers. It does not wait for any: a client without servers is ready, and says Unavailable
// until one is found. Close ends the client. Errors are faults of the options.
func Dial(o ClientOptions) (*Client, error) {
	if o.Telemetry == nil {
		o.Telemetry = telemetry.Discard()
	}
	if o.Registry.Mode == ModeDirect && len(o.Registry.Direct) == 0 {
		return nil, errors.New("registry.direct is empty: name at least one host:port")
	}
	creds, err := o.TLS.credentials(o.Telemetry.Log)
	if err != nil {
		return nil, err
	}
	install(o.Telemetry.Log)
	reg, err := o.Registry.open(o.Telemetry.Log)
	if err != nil {
		return nil, err
	}
	m := newClientMetrics(o.Telemetry.Metrics)
	plainOK := o.Insecure || !o.TLS.empty()
	p := newPool(creds, plainOK, o.Telemetry.Log, m)
	p.self = o.Self
	if err := reg.Subscribe(p.GetURL(), p); err != nil {
		return nil, err
	}
	cluster, err := extension.GetCluster(extensionName)
	if err != nil {
		return nil, err
	}
	go follow(creds, p.over)
	return &Client{pool: p, registry: reg, invoker: cluster.Join(p), creds: creds, plainOK: plainOK, metrics: m, trace: o.Telemetry.Trace}, nil
}

// Ready is closed when the registry has given its first list, be it empty.
func (c *Client) Ready() <-chan struct{} { return c.pool.ready }

// HasServers reports whether a call would find an instance now.
func (c *Client) HasServers() bool { return c.pool.IsAvailable() }

// Servers lists the known instances by address.
func (c *Client) Servers() []Instance { return c.pool.instances() }

// Close leaves the registry, ends running completions with Unavailable or Canceled, and closes the connections.
func (c *Client) Close() error {
	c.registry.Destroy()
	c.pool.Destroy()
	return nil
}

// Complete gets the answer of one turn from one server and blocks until the completion ends. emit is called from this goroutine, in
// order, with every event including Finished. It tries once: on Unavailable the instance is avoided already when Complete returns, so
// calling again goes to another.
func (c *Client) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (reply chat.Reply, err error) {
	defer func() { c.metrics.ends.WithLabelValues(outcome(err)).Inc() }()
	in := encodeRequest(req)
	in.head.Protocol = count(c.pool.version.speaks)
	if size := in.size(); size > maxRequest {
		return reply, chat.E(chat.TooLarge, "rpc.Complete", fmt.Errorf("the request has %d bytes, %d is the most", size, maxRequest))
	}
	began := time.Now()
	ctx, span := c.traced(ctx)
	defer func() { span.End(err) }()
	res := c.invoker.Invoke(ctx, call(methodComplete, constant.CallServerStream, in))
	if err := res.Error(); err != nil {
		return reply, asChat(err)
	}
	s, ok := res.Result().(*tracked)
	if !ok {
		return reply, chat.E(chat.Internal, "rpc.Complete", fmt.Errorf("a stream is missing, there is %T", res.Result()))
	}
	defer s.close()
	if span.On() {
		span.Set(telemetry.String("server.address", s.member.addr))
	}
	return c.receive(s, began, len(req.Images), emit)
}

// receive reads a completion to its end. Without Finished there is no reply, however clean the end looks.
func (c *Client) receive(s *tracked, began time.Time, images int, emit func(chat.Event)) (chat.Reply, error) {
	r := &reading{tracked: s, first: c.metrics.first, began: began, images: images, emit: emit}
	m := new(event) // for one after the other
	for {
		err := s.RecvMsg(m)
		switch {
		case err != nil && r.reply != nil:
			return *r.reply, nil
		case errors.Is(err, io.EOF):
			return chat.Reply{}, instanceError("rpc.Complete", errors.New("the stream ended without an answer"))
		case err != nil:
			return chat.Reply{}, asChat(err)
		}
		if err := r.event(m); err != nil {
			return chat.Reply{}, err
		}
	}
}

// reading is how far a completion was read. It is apart from receive, whose frame stays on the stack while a turn waits for its answer.
type reading struct {
	*tracked
	first  prometheus.Observer
	began  time.Time
	heard  bool // more than that it started
	images int
	start  chat.Start
	reply  *chat.Reply
	emit   func(chat.Event)
}

func (r *reading) event(m *event) error {
	e, known := decodeEvent(m)
	if !known || r.reply != nil {
		return nil
	}
	if !r.heard && e.Kind != chat.Started { // which is sent before a provider is called
		r.heard = true
		r.first.Observe(time.Since(r.began).Seconds())
	}
	switch e.Kind {
	case chat.Started:
		if r.start = e.Start; r.start.Images < r.images {
			r.overlooks()
			return instanceError("rpc.Complete", errNoImages)
		}
	case chat.Finished:
		e.Reply.Start = r.start
		r.reply = &e.Reply
	}
	r.emit(e)
	return nil
}

// Inspect asks one instance, by address, for its status. Give ctx a deadline.
func (c *Client) Inspect(ctx context.Context, addr string) (Status, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return Status{}, chat.E(chat.Invalid, "rpc.Inspect", err)
	}
	if !c.plainOK && !isLoopback(host) {
		return Status{}, chat.E(chat.Invalid, "rpc.Inspect", fmt.Errorf("%s is beyond loopback: set rpc.tls, or rpc.insecure: true", addr))
	}
	conn, err := connect(addr, c.creds)
	if err != nil {
		return Status{}, chat.E(chat.Invalid, "rpc.Inspect", err)
	}
	defer func() { _ = conn.Close() }()
	out := new(chatv1.InspectResponse)
	res := (&invoker{conn: conn}).Invoke(ctx, call(methodInspect, constant.CallUnary, &chatv1.InspectRequest{}, out))
	if err := res.Error(); err != nil {
		return Status{}, asChat(err)
	}
	st := Status{
		Instance: out.GetInstance(), Version: out.GetVersion(), Streams: int(out.GetStreams()), StreamLimit: int(out.GetStreamLimit()),
		Draining: out.GetDraining(), Alone: out.GetAlone(), Protocol: max(int(out.GetProtocol()), 1), Needs: max(int(out.GetProtocolNeeds()), 1),
	}
	for _, d := range out.GetDocuments() {
		st.Documents = append(st.Documents, Document{
			Name: d.GetName(), Revision: d.GetRevision(), Since: d.GetSinceUnixMs(), Refused: d.GetRefused(), InForce: d.GetInForce(),
		})
	}
	for _, p := range out.GetProviders() {
		st.Providers = append(st.Providers, decodeProvider(p))
	}
	return st, nil
}

func call(method, kind string, values ...any) base.Invocation {
	inv := invocation.NewRPCInvocationWithOptions(invocation.WithMethodName(method), invocation.WithParameterRawValues(values))
	inv.SetAttribute(constant.CallTypeKey, kind)
	return inv
}

// asChat is for errors that dubbo-go itself makes; ours pass through.
func asChat(err error) error {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	return chat.E(chat.KindOf(err), "rpc", err)
}
