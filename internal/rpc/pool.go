package rpc

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"dubbo.apache.org/dubbo-go/v3/cluster/directory"
	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/protocolwrapper"
	"dubbo.apache.org/dubbo-go/v3/registry"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"parley/internal/chat"
)

// paramEnabled is the URL parameter by which a registry says that an operator took an instance out.
const paramEnabled = "enabled"

var (
	_ directory.Directory     = (*pool)(nil)
	_ registry.NotifyListener = (*pool)(nil)
)

// pool is dubbo-go's directory of instances: it hears from a registry which there are, and lists those that a call may go to. An
// instance that leaves the registry keeps its running streams; it is dropped when it is idle and does not answer any more.
type pool struct {
	url     *common.URL
	creds   credentials.TransportCredentials
	self    string // the address of the server that the pool belongs to; empty: none
	plainOK bool   // plaintext beyond loopback was chosen explicitly, or there is TLS
	log     *slog.Logger
	metrics *clientMetrics

	usable  atomic.Pointer[[]base.Invoker]
	version version
	ready   chan struct{} // closed when the registry spoke for the first time

	mu      sync.Mutex
	members map[string]*member
	refused map[string]bool // addresses that plaintext must not go to; logged once
	told    bool
	listed  bool          // self is in the registry, and enabled there
	changed chan struct{} // closed, and made anew, when the list or a state changes
	closed  bool
	over    chan struct{} // closed with it
	probes  sync.WaitGroup
}

func newPool(creds credentials.TransportCredentials, plainOK bool, log *slog.Logger, m *clientMetrics) *pool {
	p := &pool{
		url: common.NewURLWithOptions(common.WithProtocol("consumer"), common.WithPath(serviceName),
			common.WithParamsValue(constant.InterfaceKey, serviceName)),
		creds: creds, plainOK: plainOK, log: log, metrics: m, version: ours(),
		ready: make(chan struct{}), members: map[string]*member{}, refused: map[string]bool{}, changed: make(chan struct{}), over: make(chan struct{}),
	}
	p.usable.Store(&[]base.Invoker{})
	return p
}

// NotifyAll takes the registry's complete list.
func (p *pool) NotifyAll(events []*registry.ServiceEvent, done func()) {
	defer done()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.listed = false
	seen := map[string]bool{}
	for _, e := range events {
		seen[p.offer(e.Service)] = true
	}
	for addr, m := range p.members {
		if !seen[addr] && m.listed.Swap(false) {
			m.change()
			p.log.Info("a server left the registry or was disabled there", "server", addr, "streams", m.streams.Load())
		}
	}
	if !p.told {
		p.told = true
		close(p.ready)
	}
	p.rebuild()
}

// Notify takes one change; Parley's registries give whole lists only.
func (p *pool) Notify(e *registry.ServiceEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.offer(e.Service)
		p.rebuild()
	}
}

// offer adds or changes the instance that url tells of, and gives its address.
func (p *pool) offer(url *common.URL) string {
	addr := net.JoinHostPort(url.Ip, url.Port)
	weight, err := strconv.ParseFloat(url.GetParam(constant.WeightKey, "1"), 64)
	if err != nil || weight < 0 {
		weight = 1
	}
	enabled := url.GetParam(paramEnabled, "true") == "true"
	if addr == p.self {
		p.listed = enabled
		return addr
	}
	m := p.members[addr]
	if m == nil {
		if m = p.add(addr); m == nil {
			return addr
		}
	}
	if was := m.weightOf(); m.listed.Load() != enabled || was != weight {
		p.log.Info("a server's place in the registry", "server", addr, "weight", weight, "enabled", enabled)
		m.change()
	}
	m.setWeight(weight)
	m.listed.Store(enabled)
	if why := p.version.misfit(ofURL(url)); m.note(&m.unfit, why) && why != nil {
		p.strange(m, why)
	}
	return addr
}

func (p *pool) add(addr string) *member {
	host, port, _ := net.SplitHostPort(addr)
	if !p.plainOK && !isLoopback(host) {
		if !p.refused[addr] {
			p.refused[addr] = true
			p.log.Error("a server beyond loopback is not used without TLS: set rpc.tls, or rpc.insecure: true", "server", addr)
		}
		return nil
	}
	conn, err := connect(addr, p.creds)
	if err != nil {
		p.log.Error("a server's address is no use", "server", addr, "err", err)
		return nil
	}
	m := &member{addr: addr, pool: p, conn: conn, nudge: make(chan struct{}, 1), gone: make(chan struct{})}
	m.life.Store(newLifetime())
	m.hear()
	m.invoker = extension.GetProtocol(protocolwrapper.FILTER).Refer(common.NewURLWithOptions(
		common.WithProtocol(constant.TriProtocol), common.WithIp(host), common.WithPort(port), common.WithPath(serviceName),
		common.WithParamsValue(constant.InterfaceKey, serviceName), common.WithParamsValue(constant.ReferenceFilterKey, clientFilters),
		common.WithAttribute(attrMember, m),
	))
	p.members[addr] = m
	p.probes.Go(func() { p.probe(m, grpc_health_v1.NewHealthClient(conn)) })
	p.probes.Go(m.attend)
	return m
}

// rebuild makes the list of what calls may go to: those proved up; while there is none, those not yet probed. p.mu is held.
func (p *pool) rebuild() {
	var proved, others []base.Invoker
	for _, m := range p.members {
		switch state := m.state.Load(); {
		case !m.offered(), m.misfits() != "":
		case state == up:
			proved = append(proved, m.invoker)
		case state == unproved:
			others = append(others, m.invoker)
		}
	}
	if proved == nil {
		proved = others
	}
	p.usable.Store(&proved)
	p.metrics.usable.Set(float64(len(proved)))
	p.metrics.known.Set(float64(len(p.members)))
	close(p.changed)
	p.changed = make(chan struct{})
}

// drop forgets an instance that left the registry, once nothing runs on it and it does not answer.
func (p *pool) drop(m *member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || m.listed.Load() || m.streams.Load() > 0 || m.state.Load() != down {
		return false
	}
	delete(p.members, m.addr)
	p.release(m)
	p.rebuild()
	return true
}

func (p *pool) release(m *member) {
	close(m.gone)
	m.life.Load().end()
	_ = m.conn.Close()
}

// none says why there is nobody to call.
func (p *pool) none() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var off, strange, dead int
	for _, m := range p.members {
		switch {
		case !m.offered():
			off++
		case m.misfits() != "":
			strange++
		default:
			dead++
		}
	}
	return &chat.Error{Kind: chat.Unavailable, Op: "rpc.balance", Code: chat.CodeNoInstance, Err: fmt.Errorf(
		"no server to answer: %d known, of these %d not answering, %d of another protocol and %d disabled or of weight 0", len(p.members), dead, strange, off)}
}

// instances lists what is known, by address.
func (p *pool) instances() []Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Instance, 0, len(p.members))
	for _, m := range p.members {
		out = append(out, Instance{
			Address: m.addr, Weight: m.weightOf(), Enabled: m.listed.Load(), Up: m.state.Load() == up, Streams: int(m.streams.Load()),
			Misfit: m.misfits(),
		})
	}
	slices.SortFunc(out, func(a, b Instance) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

// List implements dubbo-go's directory. The caller must not change the list.
func (p *pool) List(base.Invocation) []base.Invoker { return *p.usable.Load() }

// Subscribe implements dubbo-go's directory; the registry is given the pool by whoever makes both.
func (p *pool) Subscribe(*common.URL) error { return nil }

// GetURL implements dubbo-go's directory.
func (p *pool) GetURL() *common.URL { return p.url }

// IsAvailable reports whether there is anybody to call.
func (p *pool) IsAvailable() bool { return len(*p.usable.Load()) > 0 }

// Destroy ends every stream and closes every connection. It blocks until the probes have ended.
func (p *pool) Destroy() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.over)
		for _, m := range p.members {
			p.release(m)
		}
		p.usable.Store(&[]base.Invoker{})
	}
	p.mu.Unlock()
	p.probes.Wait()
}
