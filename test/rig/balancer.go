package rig

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Balancer is a tenant's entry: a plain TCP balancer before the replicas. It gives each connection to the next replica and passes by
// those that refuse it. A connection that breaks is not mended: the platform delivers again.
type Balancer struct {
	Addr string

	listener net.Listener
	mu       sync.Mutex
	replicas []string
	next     int
	conns    map[net.Conn]bool
	closed   bool
	wg       sync.WaitGroup
}

// NewBalancer listens on a free loopback port until Close.
func NewBalancer(replicas ...string) (*Balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Balancer{Addr: l.Addr().String(), listener: l, replicas: replicas, conns: map[net.Conn]bool{}}
	b.wg.Add(1)
	go b.accept()
	return b, nil
}

// Close ends all connections.
func (b *Balancer) Close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *Balancer) accept() {
	defer b.wg.Done()
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.wg.Add(1)
		go func() {
			defer b.wg.Done()
			b.serve(c)
		}()
	}
}

func (b *Balancer) serve(c net.Conn) {
	defer b.hold(c)()
	up := b.dial()
	if up == nil {
		return
	}
	defer b.hold(up)()
	both := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		both <- struct{}{}
	}
	go pipe(up, c)
	go pipe(c, up)
	<-both
	// The platform's next request on this connection would be lost: close it as soon as either side is done.
	_ = c.Close()
	_ = up.Close()
	<-both
}

// hold notes a connection for Close; the result closes it.
func (b *Balancer) hold(c net.Conn) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = c.Close()
	}
	b.conns[c] = true
	return func() {
		_ = c.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, c)
	}
}

// dial connects to the first replica in turn that takes the connection.
func (b *Balancer) dial() net.Conn {
	b.mu.Lock()
	first := b.next
	b.next++
	n := len(b.replicas)
	b.mu.Unlock()
	for i := range n {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		c, err := new(net.Dialer).DialContext(ctx, "tcp", b.replicas[(first+i)%n])
		cancel()
		if err == nil {
			return c
		}
	}
	return nil
}
