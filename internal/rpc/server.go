package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/protocol/protocolwrapper"
	"dubbo.apache.org/dubbo-go/v3/registry"
)

// stopLimit bounds what is waited for after the last completion: health watches and what is not Parley's.
const stopLimit = time.Second

// Server is one instance of ChatService.
type Server struct {
	opts      ServerOptions
	url       *common.URL
	transport *transport
	service   *service
	registry  registry.Registry
	log       *slog.Logger
	ready     chan struct{}
}

// NewServer checks the options and opens the port; a taken port, a missing TLS file or an unsafe address is an error here. Run serves.
func NewServer(o ServerOptions) (*Server, error) {
	o = o.withDefaults()
	if o.Handler == nil {
		return nil, errors.New("rpc: no handler")
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
	lis, err := listen(o.Listen, !o.TLS.empty(), o.Insecure)
	if err != nil {
		return nil, err
	}
	host, port, err := advertised(o.Advertise, lis.Addr())
	if err != nil {
		_ = lis.Close()
		return nil, err
	}
	s := &Server{opts: o, registry: reg, log: o.Telemetry.Log, ready: make(chan struct{})}
	s.service = &service{
		handler: o.Handler, documents: o.Documents, providers: o.Providers, alone: o.Alone, keys: o.Keys,
		instance: net.JoinHostPort(host, port), version: o.Version, protocol: ours(), limit: o.Streams,
		pictures: pictures{most: maxHeld},
		log:      s.log, metrics: newServerMetrics(o.Telemetry.Metrics), trace: o.Telemetry.Trace, idle: make(chan struct{}),
	}
	s.service.metrics.limit.Set(float64(o.Streams))
	s.transport = &transport{lis: lis, creds: creds, renew: o.Renew, log: s.log, admit: s.service.admit, end: make(chan error, 1)}
	s.url = providerURL(host, port, s.transport, s.service)
	return s, nil
}

// providerURL describes the exported service; its parameters become the instance's metadata in the registry, where Dubbo consumers of
// every language read them.
func providerURL(host, port string, t *transport, svc *service) *common.URL {
	return common.NewURLWithOptions(
		common.WithProtocol(constant.TriProtocol), common.WithIp(host), common.WithPort(port), common.WithPath(serviceName),
		common.WithMethods([]string{methodComplete, methodInspect, methodHold, methodRest}),
		common.WithParamsValue(constant.InterfaceKey, serviceName),
		common.WithParamsValue(constant.ApplicationKey, "parley"),
		common.WithParamsValue(constant.SideKey, "provider"),
		common.WithParamsValue(constant.SerializationKey, constant.ProtobufSerialization),
		common.WithParamsValue(constant.ReleaseKey, "dubbo-golang-"+constant.Version),
		common.WithParamsValue(paramSpeaks, strconv.Itoa(svc.protocol.speaks)),
		common.WithParamsValue(paramNeeds, strconv.Itoa(svc.protocol.needs)),
		common.WithAttribute(attrTransport, t),
		common.WithAttribute(constant.ServiceInfoKey, binding()),
		common.WithAttribute(constant.RpcServiceKey, svc),
	)
}

// Addr is the address that clients are told.
func (s *Server) Addr() string { return s.service.instance }

// Ready is closed when the server serves and stands in the registry. It serves direct callers before that.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Streams is the number of running completions.
func (s *Server) Streams() int {
	s.service.mu.Lock()
	defer s.service.mu.Unlock()
	return s.service.streams
}

// Run serves until ctx ends, then leaves: out of the registry first, new calls are refused after Linger, running ones may end within
// Drain. It returns nil after a clean end. Call it once.
func (s *Server) Run(ctx context.Context) error {
	invoker := extension.GetProxyFactory("default").GetInvoker(s.url)
	exporter := extension.GetProtocol(protocolwrapper.FILTER).Export(invoker)
	if exporter == nil {
		return errors.New("rpc: dubbo-go did not export the service")
	}
	defer exporter.UnExport()
	defer s.stop()
	s.log.Info("rpc server serves", "listen", s.transport.lis.Addr().String(), "advertise", s.Addr(), "tls", !s.opts.TLS.empty())
	if s.opts.TLS.empty() && s.opts.Insecure {
		s.log.Warn("rpc.insecure: whoever reaches the port may speak for every tenant, and everything on the way is readable")
	}
	if err := s.registry.Register(s.url); err != nil {
		return err
	}
	defer s.registry.Destroy()
	go follow(s.transport.creds, ctx.Done())
	go s.announceReady(ctx)
	select {
	case err := <-s.transport.end:
		return fmt.Errorf("rpc.listen %s: %w", s.transport.lis.Addr(), err)
	case <-ctx.Done():
	}
	s.leave()
	return nil
}

// stop closes the port and every connection. The ends of the last completions may still be on their way to the wire.
func (s *Server) stop() {
	timer := time.AfterFunc(stopLimit, s.transport.grpc.Stop)
	defer timer.Stop()
	s.transport.grpc.GracefulStop()
}

func (s *Server) announceReady(ctx context.Context) {
	if r, ok := s.registry.(*nacosRegistry); ok {
		select {
		case <-r.registered:
		case <-ctx.Done():
			return
		}
	}
	close(s.ready)
}

func (s *Server) leave() {
	s.log.Info("rpc server leaves", "streams", s.Streams())
	s.transport.health.Shutdown() // probing clients see it before the registry has told anybody
	if err := s.registry.UnRegister(s.url); err != nil {
		s.log.Warn("could not leave the registry; it will notice", "err", err)
	}
	time.Sleep(s.opts.Linger)
	idle := s.service.drain()
	limit := time.NewTimer(s.opts.Drain)
	defer limit.Stop()
	select {
	case <-idle:
	case <-limit.C:
		s.log.Warn("running completions are cut: their time to end is over", "streams", s.Streams())
		s.transport.grpc.Stop()
	}
}
