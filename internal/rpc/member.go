package rpc

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"google.golang.org/grpc"
)

// The states of a member as its probe and its calls see it.
const (
	unproved int32 = iota // known, not yet probed
	up
	down
)

// errHung ends the streams of an instance that neither answers probes nor sends anything.
var errHung = errors.New("the instance hangs: neither its probe nor its streams say anything")

// member is one instance as this client sees it. Its fields are atomic: every call reads them.
type member struct {
	addr    string
	pool    *pool
	conn    *grpc.ClientConn
	invoker base.Invoker

	weight  atomic.Uint64 // bits of a float64
	listed  atomic.Bool   // in the registry, and enabled there
	state   atomic.Int32
	streams atomic.Int64
	unfit   atomic.Pointer[string] // by what the registry tells of its protocol, why it is left out; nil: it is not
	refusal atomic.Pointer[string] // by what it answered to a call, until its connection is lost
	heard   atomic.Int64           // when anything came from it last, Unix nanoseconds
	busy    atomic.Int64           // until when it is passed over, because it said that it is full
	blind   atomic.Int64           // until when it is passed over for pictures, because it overlooked some
	probed  atomic.Int64           // when it was asked last, Unix nanoseconds
	changed atomic.Int64           // when its state or its place in the registry changed last, Unix nanoseconds
	life    atomic.Pointer[lifetime]
	nudge   chan struct{} // asks for a probe now
	gone    chan struct{} // closed when the pool drops it
}

// lifetime ends when an instance is given up as hung; what runs on it ends with it.
type lifetime struct {
	ctx context.Context
	end context.CancelFunc
}

func newLifetime() *lifetime {
	ctx, end := context.WithCancel(context.Background())
	return &lifetime{ctx, end}
}

// memberOf finds the member behind one of dubbo-go's invokers.
func memberOf(i base.Invoker) *member { return memberOfURL(i.GetURL()) }

func memberOfURL(url *common.URL) *member {
	v, _ := url.GetAttribute(attrMember)
	m, _ := v.(*member)
	return m
}

func (m *member) setWeight(w float64) { m.weight.Store(math.Float64bits(w)) }
func (m *member) weightOf() float64   { return math.Float64frombits(m.weight.Load()) }

// offered reports whether the registry wants turns to go there.
func (m *member) offered() bool { return m.listed.Load() && m.weightOf() > 0 }

func (m *member) change()               { m.changed.Store(time.Now().UnixNano()) }
func (m *member) hear()                 { m.heard.Store(time.Now().UnixNano()) }
func (m *member) silent() time.Duration { return time.Duration(time.Now().UnixNano() - m.heard.Load()) }

// load is what balance compares: running streams, and the one to come, by weight.
func (m *member) load() float64 { return float64(m.streams.Load()+1) / m.weightOf() }

// dropped reports whether the pool has closed its connection.
func (m *member) dropped() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

// cut ends everything that runs on a hung instance, so that its turns go on elsewhere.
func (m *member) cut() { m.life.Swap(newLifetime()).end() }
