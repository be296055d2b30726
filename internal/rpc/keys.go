package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common/constant"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

// KeyAsk asks a server for leave to make one more call with a provider's key.
type KeyAsk struct {
	Key     string // its name, never the key itself
	Limit   int    // calls at once in the whole fleet
	Running bool   // the call runs already: it is counted, above the limit too
	Try     bool   // do not wait at the limit
}

// KeyRest says that a key is not to be used for a while, and why.
type KeyRest struct {
	Key  string
	For  time.Duration
	Kind chat.Kind // of the error that sent it to rest
	Code string
}

// KeyHandler answers other servers about keys. Only callers that may speak as servers reach it. Errors are *chat.Error.
type KeyHandler interface {
	// Hold calls granted when the call may be made, at most once, and blocks until ctx ends or the hold has to end, which its error tells.
	Hold(ctx context.Context, ask KeyAsk, granted func() error) error
	Rest(rest KeyRest) error
}

// Hold asks one server, by the address that the registry knows it by, for a hold, and blocks for as long as that lasts: until ctx ends or the
// server ends or refuses it. granted is called from this goroutine when the call may be made. It always returns an error: NotFound if
// the server knows nothing of keys (an older release), Forbidden if this client's certificate is no server's.
func (c *Client) Hold(ctx context.Context, addr string, ask KeyAsk, granted func()) error {
	m := c.pool.find(addr)
	if m == nil {
		return instanceError("rpc.Hold", fmt.Errorf("no server %s is known", addr))
	}
	res := m.invoker.Invoke(ctx, call(methodHold, constant.CallServerStream, &chatv1.HoldRequest{
		Key: ask.Key, Concurrency: count(ask.Limit), Running: ask.Running, Try: ask.Try,
	}))
	if err := res.Error(); err != nil {
		return asChat(err)
	}
	s, ok := res.Result().(*tracked)
	if !ok {
		return chat.E(chat.Internal, "rpc.Hold", fmt.Errorf("a stream is missing, there is %T", res.Result()))
	}
	defer s.close()
	for first := true; ; first = false {
		err := s.RecvMsg(new(chatv1.HoldEvent))
		switch {
		case errors.Is(err, io.EOF):
			return instanceError("rpc.Hold", errors.New("the server ended the hold"))
		case err != nil:
			return asChat(err)
		case first:
			granted()
		}
	}
}

// Rest tells one server that a key rests. Give ctx a deadline.
func (c *Client) Rest(ctx context.Context, addr string, rest KeyRest) error {
	m := c.pool.find(addr)
	if m == nil {
		return instanceError("rpc.Rest", fmt.Errorf("no server %s is known", addr))
	}
	res := m.invoker.Invoke(ctx, call(methodRest, constant.CallUnary, &chatv1.RestRequest{
		Key: rest.Key, RestMs: count(int(rest.For.Milliseconds())), Kind: rest.Kind.String(), Code: rest.Code,
	}, new(chatv1.RestResponse)))
	if err := res.Error(); err != nil {
		return asChat(err)
	}
	return nil
}

// errNoKeys is what a server without a [KeyHandler] answers; it is of the kind that an older release's answer has.
func errNoKeys() error {
	return chat.E(chat.NotFound, "rpc.keys", errors.New("this server keeps no keys"))
}

func (s *service) hold(ctx context.Context, in *chatv1.HoldRequest, out sender) error {
	if s.keys == nil {
		return errNoKeys()
	}
	if err := authorizeServer(ctx); err != nil {
		return err
	}
	ask := KeyAsk{Key: in.GetKey(), Limit: int(in.GetConcurrency()), Running: in.GetRunning(), Try: in.GetTry()}
	return s.keys.Hold(ctx, ask, func() error { return out.SendMsg(&chatv1.HoldEvent{}) })
}

func (s *service) rest(ctx context.Context, in *chatv1.RestRequest) (*chatv1.RestResponse, error) {
	if s.keys == nil {
		return nil, errNoKeys()
	}
	if err := authorizeServer(ctx); err != nil {
		return nil, err
	}
	err := s.keys.Rest(KeyRest{
		Key: in.GetKey(), For: time.Duration(in.GetRestMs()) * time.Millisecond, Kind: chat.ParseKind(in.GetKind()), Code: in.GetCode(),
	})
	if err != nil {
		return nil, err
	}
	return &chatv1.RestResponse{}, nil
}
