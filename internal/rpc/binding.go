package rpc

import (
	"context"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"

	chatv1 "parley/api/chat/v1"
)

const (
	serviceName    = "parley.chat.v1.ChatService"
	methodComplete = "Complete"
	methodInspect  = "Inspect"
	methodHold     = "Hold"
	methodRest     = "Rest"
	fileComplete   = "/" + serviceName + "/" + methodComplete
)

// binding is what dubbo-go's generator would write for ChatService; the generator is not to be had as a module, and this is all of it.
func binding() *common.ServiceInfo {
	return &common.ServiceInfo{
		InterfaceName: serviceName,
		Methods: []common.MethodInfo{
			{
				Name: methodComplete, Type: constant.CallServerStream,
				ReqInitFunc:    func() any { return new(request) },
				StreamInitFunc: func(stream any) any { return stream },
				MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
					return nil, toTriple(handler.(*service).complete(ctx, args[0].(*request), args[1].(sender)))
				},
			},
			{
				Name: methodInspect, Type: constant.CallUnary,
				ReqInitFunc: func() any { return new(chatv1.InspectRequest) },
				MethodFunc: func(_ context.Context, _ []any, handler any) (any, error) {
					return handler.(*service).inspect(), nil
				},
			},
			{
				Name: methodHold, Type: constant.CallServerStream,
				ReqInitFunc:    func() any { return new(chatv1.HoldRequest) },
				StreamInitFunc: func(stream any) any { return stream },
				MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
					return nil, toTriple(handler.(*service).hold(ctx, args[0].(*chatv1.HoldRequest), args[1].(sender)))
				},
			},
			{
				Name: methodRest, Type: constant.CallUnary,
				ReqInitFunc: func() any { return new(chatv1.RestRequest) },
				MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
					out, err := handler.(*service).rest(ctx, args[0].(*chatv1.RestRequest))
					return out, toTriple(err)
				},
			},
		},
	}
}

// sender is the server's half of a stream; it is not safe for concurrent use.
type sender interface{ SendMsg(m any) error }

// receiver is the client's half of a stream.
type receiver interface{ RecvMsg(m any) error }

// toTriple gives err the form in which dubbo-go keeps an error's code: any other it turns into a code of its own.
func toTriple(err error) error {
	if err == nil {
		return nil
	}
	s := encodeError(err)
	return triple_protocol.NewError(triple_protocol.Code(s.Code()), textError(s.Message()))
}

type textError string

func (e textError) Error() string { return string(e) }
