package rpc

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/mem"
)

// buffers are those of gRPC's pools, without what these do first: they clear a buffer that is filled at once, which takes as long as to fill it.
type buffers struct {
	pools [largest - smallest + 1]sync.Pool // of buffers of 1<<smallest bytes, and so on
}

const (
	smallest = 12 // 4 kB
	largest  = 20 // 1 MB; larger ones are not kept
)

var _ mem.BufferPool = (*buffers)(nil)

// Get implements mem.BufferPool: what is in it is of whoever had it before.
func (p *buffers) Get(length int) *[]byte {
	size := max(smallest, bits.Len(uint(max(length, 1)-1)))
	if size > largest {
		b := make([]byte, length)
		return &b
	}
	b, ok := p.pools[size-smallest].Get().(*[]byte)
	if !ok {
		made := make([]byte, 1<<size)
		b = &made
	}
	*b = (*b)[:length]
	return b
}

// Put implements mem.BufferPool.
func (p *buffers) Put(b *[]byte) {
	size := bits.Len(uint(cap(*b))) - 1
	if size < smallest || size > largest || cap(*b) != 1<<size {
		return
	}
	p.pools[size-smallest].Put(b)
}
