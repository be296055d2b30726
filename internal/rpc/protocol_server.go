package rpc

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/invocation"
	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

// protocol is dubbo-go's Triple over grpc-go: the same bytes on the wire as the stock one, which compresses every message and costs
// several times as much, cannot show a handler the caller's certificate, and does not notice a peer that hangs.
type protocol struct{ base.BaseProtocol }

// transport is the listening side of one server. The URL of the exported service carries it, as attribute, to Export.
type transport struct {
	lis   net.Listener
	creds credentials.TransportCredentials
	renew time.Duration // 0: a connection lasts as long as its peers like
	log   *slog.Logger
	// admit is asked before a call's body is read; what it returns is called at the call's end.
	admit  func(method string) (done func(), err error)
	health *health.Server

	grpc *grpc.Server
	end  chan error // what serving the port ended with
}

// Export serves the invoker on the URL's transport until that is closed.
func (p *protocol) Export(invoker base.Invoker) base.Exporter {
	url := invoker.GetURL()
	t, ok := url.GetAttribute(attrTransport)
	info, known := url.GetAttribute(constant.ServiceInfoKey)
	if !ok || !known {
		return nil
	}
	t.(*transport).serve(invoker, info.(*common.ServiceInfo))
	exporter := base.NewBaseExporter(url.ServiceKey(), invoker, p.ExporterMap())
	p.SetExporterMap(url.ServiceKey(), exporter)
	return exporter
}

// workers take calls one after the other: a new goroutine would first have to grow its stack, by copying it again and again, as deep as a
// call to a provider goes. Calls beyond this number get goroutines of their own.
const workers = 256

func (t *transport) serve(invoker base.Invoker, info *common.ServiceInfo) {
	t.grpc = grpc.NewServer(
		grpc.Creds(t.creds),
		grpc.MaxRecvMsgSize(maxRequest), grpc.MaxSendMsgSize(maxEvent),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow),
		grpc.NumStreamWorkers(workers), grpc.ForceServerCodecV2(newCodec()),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, MaxConnectionAge: t.renew}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	desc := &grpc.ServiceDesc{ServiceName: info.InterfaceName, HandlerType: (*any)(nil), Metadata: "api/chat/v1/chat.proto"}
	for i := range info.Methods {
		m := &info.Methods[i]
		// Dubbo consumers in Java name a method as their interface does, which begins in lower case.
		for _, name := range []string{m.Name, strings.ToLower(m.Name[:1]) + m.Name[1:]} {
			desc.Streams = append(desc.Streams, grpc.StreamDesc{
				StreamName: name, ServerStreams: m.Type == constant.CallServerStream,
				Handler: func(_ any, s grpc.ServerStream) error { return t.handle(invoker, m, s) },
			})
		}
	}
	t.grpc.RegisterService(desc, struct{}{})
	t.health = health.NewServer()
	t.health.SetServingStatus(info.InterfaceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(t.grpc, t.health)
	reflection.Register(t.grpc)
	go func() { t.end <- t.grpc.Serve(t.lis) }()
}

// handle takes one call from the wire through dubbo-go's invoker, with its filters, to the service.
func (t *transport) handle(invoker base.Invoker, m *common.MethodInfo, s grpc.ServerStream) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = recovered(t.log, m.Name, r)
		}
	}()
	done, err := t.admit(m.Name)
	if err != nil {
		return err
	}
	defer done()
	req := m.ReqInitFunc()
	if err := s.RecvMsg(req); err != nil {
		return err
	}
	args := []any{req}
	if m.StreamInitFunc != nil {
		args = append(args, m.StreamInitFunc(s))
	}
	res := invoker.Invoke(s.Context(), invocation.NewRPCInvocation(m.Name, args, nil))
	if err := res.Error(); err != nil {
		return toStatus(err)
	}
	if m.Type == constant.CallUnary {
		return s.SendMsg(res.Result())
	}
	return nil
}

func toStatus(err error) error {
	if e, ok := errors.AsType[*triple_protocol.Error](err); ok {
		return status.Error(codes.Code(e.Code()), e.Message())
	}
	return encodeError(err).Err()
}
