package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/result"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"parley/internal/chat"
)

// Refer makes the invoker of one instance. The URL carries the member, as attribute, whose connection it uses.
func (p *protocol) Refer(url *common.URL) base.Invoker {
	m, ok := url.GetAttribute(attrMember)
	if !ok {
		return nil
	}
	return &invoker{BaseInvoker: base.NewBaseInvoker(url), conn: m.(*member).conn}
}

// connect makes a connection that opens by itself. It tries a lost server again at least once a second, so that one that is back is used.
func connect(addr string, creds credentials.TransportCredentials) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxEvent), grpc.MaxCallSendMsgSize(maxRequest), grpc.ForceCodecV2(newCodec())),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	)
}

// invoker is the calling side of one instance.
type invoker struct {
	*base.BaseInvoker
	conn *grpc.ClientConn
}

// Invoke makes a unary call, or opens a stream whose result is a [receiver]. Its errors are *chat.Error.
func (i *invoker) Invoke(ctx context.Context, inv base.Invocation) result.Result {
	res := &result.RPCResult{}
	method := "/" + serviceName + "/" + inv.MethodName()
	kind, _ := inv.GetAttribute(constant.CallTypeKey)
	args := inv.ParameterRawValues()
	switch {
	case kind == constant.CallUnary && len(args) == 2:
		if err := i.conn.Invoke(ctx, method, args[0], args[1]); err != nil {
			res.SetError(decodeError(ctx, "rpc."+inv.MethodName(), err))
		}
	case kind == constant.CallServerStream && len(args) == 1:
		s, err := i.stream(ctx, method, args[0])
		if err != nil {
			res.SetError(decodeError(ctx, "rpc."+inv.MethodName(), err))
		}
		res.SetResult(s)
	default:
		res.SetError(chat.E(chat.Internal, "rpc."+inv.MethodName(), fmt.Errorf("a call of kind %v with %d values is not supported", kind, len(args))))
	}
	return res
}

func (i *invoker) stream(ctx context.Context, method string, req any) (receiver, error) {
	s, err := i.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	// A send fails with io.EOF if the server ended the stream already: the reason is what the first RecvMsg says.
	if err := s.SendMsg(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s, s.CloseSend()
}
