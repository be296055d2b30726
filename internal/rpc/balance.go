package rpc

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"dubbo.apache.org/dubbo-go/v3/cluster/directory"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/result"

	"parley/internal/chat"
)

// oneTry is dubbo-go's cluster of Parley: one choice, one try. Whether to try again is decided by the turn, which alone knows what was
// shown already.
type oneTry struct{}

// Join implements dubbo-go's Cluster.
func (oneTry) Join(d directory.Directory) base.Invoker { return &clusterInvoker{d} }

type clusterInvoker struct{ directory.Directory }

// Invoke calls one of the listed instances.
func (c *clusterInvoker) Invoke(ctx context.Context, inv base.Invocation) result.Result {
	list := c.List(inv)
	if len(list) == 0 {
		err := error(&chat.Error{Kind: chat.Unavailable, Op: "rpc.balance", Code: chat.CodeNoInstance, Err: errors.New("no server to answer")})
		if p, ok := c.Directory.(*pool); ok {
			err = p.none()
		}
		return &result.RPCResult{Err: err}
	}
	return extension.GetLoadbalance(extensionName).Select(list, inv).Invoke(ctx, inv)
}

// leastStreams is dubbo-go's load balance of Parley: the instance with the fewest running streams for its weight. Equal ones are chosen at
// random, so that many clients at rest do not all begin with the same.
type leastStreams struct{}

// Select implements dubbo-go's LoadBalance; invokers is not empty.
func (leastStreams) Select(invokers []base.Invoker, inv base.Invocation) base.Invoker {
	now, pictures := time.Now().UnixNano(), hasPictures(inv)
	start := rand.IntN(len(invokers))
	var best base.Invoker
	var bestRank int
	var bestLoad float64
	for i := range invokers {
		candidate := invokers[(start+i)%len(invokers)]
		m := memberOf(candidate)
		if m == nil {
			continue
		}
		rank, load := m.rank(now, pictures), m.load()
		if best == nil || rank < bestRank || rank == bestRank && load < bestLoad {
			best, bestRank, bestLoad = candidate, rank, load
		}
	}
	if best == nil {
		return invokers[start]
	}
	return best
}

const (
	// busyFor is how long an instance that said it is full is passed over while others have room.
	busyFor = time.Second
	// blindFor is how long one that overlooked pictures is passed over for those while there are others.
	blindFor = time.Minute
)

// rank is the instance's place among those to choose from; the lowest is chosen, whatever it has to do.
func (m *member) rank(now int64, pictures bool) int {
	switch {
	case pictures && m.blind.Load() > now:
		return 2
	case m.busy.Load() > now:
		return 1
	}
	return 0
}

func hasPictures(inv base.Invocation) bool {
	if inv == nil {
		return false
	}
	args := inv.ParameterRawValues()
	if len(args) == 0 {
		return false
	}
	in, ok := args[0].(*request)
	return ok && len(in.head.GetImages()) > 0
}

// track is dubbo-go's filter around each instance: it counts the streams that run on it, ends them when the instance is given up, and
// ejects it when its connection fails.
type track struct{}

// Invoke implements dubbo-go's Filter.
func (track) Invoke(ctx context.Context, next base.Invoker, inv base.Invocation) result.Result {
	m := memberOf(next)
	if kind, _ := inv.GetAttribute(constant.CallTypeKey); kind != constant.CallServerStream || m == nil {
		return next.Invoke(ctx, inv)
	}
	t := &tracked{member: m, method: inv.MethodName()}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	t.unlink = context.AfterFunc(m.life.Load().ctx, func() { t.cancel(errHung) })
	m.streams.Add(1)
	res := next.Invoke(t.ctx, inv)
	if err := res.Error(); err != nil {
		m.judge(err)
		t.close()
		return res
	}
	var ok bool
	if t.stream, ok = res.Result().(receiver); !ok {
		t.close()
		return res
	}
	res.SetResult(t)
	return res
}

// OnResponse implements dubbo-go's Filter.
func (track) OnResponse(_ context.Context, res result.Result, _ base.Invoker, _ base.Invocation) result.Result {
	return res
}

// judge concludes from an error what it says of the instance.
func (m *member) judge(err error) {
	misfit, strange := errors.AsType[misfitError](err)
	switch {
	case strange:
		m.pool.refuse(m, misfit)
	case ofConnection(err):
		m.pool.eject(m, err)
	case chat.KindOf(err) == chat.Overloaded && codeOfError(err) == chat.CodeInstance: // without the code it is a provider that is
		m.busy.Store(time.Now().Add(busyFor).UnixNano())
	}
}

// tracked is a stream whose end is noticed; its errors are *chat.Error, or io.EOF. It is for one goroutine, and whoever has it must close it.
type tracked struct {
	stream receiver
	ctx    context.Context
	cancel context.CancelCauseFunc
	unlink func() bool
	member *member
	method string
	closed bool
}

// close ends the stream, if it has not ended, and is harmless afterwards.
func (t *tracked) close() {
	if t.closed {
		return
	}
	t.closed = true
	t.member.streams.Add(-1)
	t.unlink()
	t.cancel(nil)
}

// overlooks notes that the instance passes no pictures on.
func (t *tracked) overlooks() { t.member.blind.Store(time.Now().Add(blindFor).UnixNano()) }

// RecvMsg implements receiver.
func (t *tracked) RecvMsg(m any) error {
	err := t.stream.RecvMsg(m)
	if err == nil {
		t.member.hear()
		return nil
	}
	defer t.close()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	e := decodeError(t.ctx, "rpc."+t.method, err)
	t.member.judge(e)
	return e
}
