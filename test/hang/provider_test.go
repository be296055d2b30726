package hang

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What hanging providers write. The pieces are OpenAI's form; nothing here is shared with the simulator, which answers properly.
const (
	streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	delta      = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"一些字"},"finish_reason":null}]}` + "\n\n"
	emptyDelta = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	ping       = ": ping\n\n"
)

// provider takes connections and does not finish any answer: after a request it writes once, and then again and again.
type provider struct {
	origin string
	once   string
	again  string // every 100 ms; empty: silence

	mu    sync.Mutex
	open  int // connections
	calls int
}

// start listens until the test ends.
func (p *provider) start(t *testing.T) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.origin = "http://" + l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait() // Parley has ended: its connections have, too
	})
}

func (p *provider) count(open, calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open += open
	p.calls += calls
}

func (p *provider) serve(c net.Conn) {
	p.count(1, 0)
	defer p.count(-1, 0)
	defer c.Close()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	p.count(0, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, in)
	}()
	_, err = io.WriteString(c, p.once)
	for err == nil {
		select {
		case <-gone:
			return
		case <-time.After(100 * time.Millisecond):
			_, err = io.WriteString(c, p.again)
		}
	}
	<-gone
}

// state tells how many connections are open now and how many calls came.
func (p *provider) state() (open, calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.calls
}

// fullBacklog is an address whose queue of connections is full: the kernel drops whoever knocks, as a host does that is not there.
func fullBacklog(t *testing.T) (addr string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatalf("%s takes connections although nobody accepts them", addr)
	return ""
}
