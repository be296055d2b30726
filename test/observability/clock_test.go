package observability

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// clock stands before a real Redis and puts its clock forward by as many seconds as ahead says: in its answers to TIME, which nothing but the
// comparison of clocks asks for from outside.
type clock struct {
	addr  string
	ahead atomic.Int64
}

func newClock(t *testing.T, redis string) *clock {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &clock{addr: l.Addr().String()}
	go func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(down, redis)
		}
	}()
	return c
}

func (c *clock) serve(down net.Conn, redis string) {
	defer down.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	up, err := new(net.Dialer).DialContext(ctx, "tcp", redis)
	cancel()
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		_, _ = io.Copy(up, down)
		up.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := up.Read(buf)
		if _, werr := down.Write(c.shift(buf[:n])); err != nil || werr != nil {
			return
		}
	}
}

// timeAnswer is TIME's, on its own.
var timeAnswer = regexp.MustCompile(`^\*2\r\n\$10\r\n(\d{10})\r\n\$\d\r\n\d+\r\n$`)

func (c *clock) shift(answer []byte) []byte {
	by := c.ahead.Load()
	m := timeAnswer.FindSubmatchIndex(answer)
	if by == 0 || m == nil {
		return answer
	}
	seconds, _ := strconv.ParseInt(string(answer[m[2]:m[3]]), 10, 64)
	return append(fmt.Appendf(append([]byte{}, answer[:m[2]]...), "%d", seconds+by), answer[m[3]:]...)
}
