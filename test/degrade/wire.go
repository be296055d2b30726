package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"

	"parley/test/realdeps"
)

// nacos is the Nacos that servers are told of, and the way to take it from them.
type nacos struct {
	addr   string // for servers and commands
	direct string // for this program
	how    string // what fail does
	fail   func()
	end    func()
}

// findNacos starts a Nacos of this program's own, which it may kill. If there is one at PARLEY_TEST_NACOS, others use that too: it is reached
// through a wire that can be cut, after which servers meet what they meet after a kill: connections break, and new ones are refused.
func findNacos(ctx context.Context) (*nacos, error) {
	if addr := os.Getenv("PARLEY_TEST_NACOS"); addr != "" {
		w, err := newWire(addr)
		if err != nil {
			return nil, err
		}
		return &nacos{addr: w.addr, direct: addr, how: "cut off", fail: w.cut, end: w.cut}, nil
	}
	dir, err := os.MkdirTemp("", "parley-nacos-")
	if err != nil {
		return nil, err
	}
	s, err := realdeps.StartNacos(ctx, realdeps.Nacos{Dir: dir})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &nacos{addr: s.Addr, direct: s.Addr, how: "killed", fail: s.Kill, end: func() { s.Stop(); _ = os.RemoveAll(dir) }}, nil
}

// wire passes Nacos' two ports on, HTTP and 1000 above it gRPC, until it is cut.
type wire struct {
	addr      string
	listeners []net.Listener

	mu    sync.Mutex
	isCut bool
	conns []net.Conn
	wg    sync.WaitGroup
}

func newWire(target string) (*wire, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		at := l.Addr().(*net.TCPAddr).Port
		g, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at+1000))
		if err != nil {
			_ = l.Close()
			continue
		}
		w := &wire{addr: l.Addr().String(), listeners: []net.Listener{l, g}}
		w.wg.Go(func() { w.accept(l, target) })
		w.wg.Go(func() { w.accept(g, net.JoinHostPort(host, strconv.Itoa(n+1000))) })
		return w, nil
	}
	return nil, errors.New("no two free ports that lie 1000 apart")
}

func (w *wire) accept(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil || !w.keep(in, out) {
			_ = in.Close()
			continue
		}
		pass := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}
		w.wg.Go(func() { pass(out, in) })
		w.wg.Go(func() { pass(in, out) })
	}
}

func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut {
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	}
	w.conns = append(w.conns, conns...)
	return true
}

// cut breaks what is connected and refuses what comes. It may be called again.
func (w *wire) cut() {
	for _, l := range w.listeners {
		_ = l.Close()
	}
	w.mu.Lock()
	w.isCut = true
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}
