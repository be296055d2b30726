package rpc

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// gate stands before a real Nacos and can be shut: for its clients Nacos is then down. It keeps Nacos's distance between the HTTP and the
// gRPC port.
type gate struct {
	t       testing.TB
	tls     *tls.Config // not nil: it speaks TLS to its clients
	addr    string
	targets [2]string
	ports   [2]int

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[net.Conn]bool
}

func newGate(t testing.TB, nacos string) *gate {
	t.Helper()
	host, p, err := net.SplitHostPort(nacos)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, conns: map[net.Conn]bool{}}
	g.targets = [2]string{nacos, net.JoinHostPort(host, strconv.Itoa(port+1000))}
	for range 100 { // two free ports, a thousand apart
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if first+1000 > 65535 {
			continue
		}
		second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+1000))
		if err != nil {
			continue
		}
		_ = second.Close()
		g.ports = [2]int{first, first + 1000}
		g.addr = fmt.Sprintf("127.0.0.1:%d", first)
		t.Cleanup(g.shut)
		return g
	}
	t.Fatal("no two free ports")
	return nil
}

func (g *gate) open() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, port := range g.ports {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			g.t.Fatal(err)
		}
		if g.tls != nil {
			l = tls.NewListener(l, g.tls)
		}
		g.listeners = append(g.listeners, l)
		go g.accept(l, g.targets[i])
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.listeners {
		_ = l.Close()
	}
	for c := range g.conns {
		_ = c.Close()
	}
	g.listeners, g.conns = nil, map[net.Conn]bool{}
}

func (g *gate) accept(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			_ = in.Close()
			continue
		}
		g.mu.Lock()
		g.conns[in], g.conns[out] = true, true
		g.mu.Unlock()
		go pipe(in, out)
		go pipe(out, in)
	}
}

func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}
