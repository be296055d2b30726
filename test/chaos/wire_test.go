package main

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// echo answers every line with itself.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if _, err := c.Write(append(lines.Bytes(), '\n')); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// says sends a line and reads the answer.
func says(c net.Conn, within time.Duration) error {
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte("hello\n")); err != nil {
		return err
	}
	_, err := bufio.NewReader(c).ReadString('\n')
	return err
}

func TestWiresFailAndAreMended(t *testing.T) {
	const soon, long = 500 * time.Millisecond, 30 * time.Second
	for _, c := range []struct {
		kind     string
		passes   bool // what is sent arrives all the same
		connects bool // a new connection is taken
	}{
		{"cut", false, false}, {"hole", false, true}, {"reset", false, true}, {"slow", true, true}, {"drip", true, true},
	} {
		t.Run(c.kind, func(t *testing.T) {
			w := newWires()
			t.Cleanup(w.close)
			at, err := w.lay("echo", echo(t))
			if err != nil {
				t.Fatal(err)
			}
			before, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			if err := says(before, long); err != nil {
				t.Fatalf("before: %v", err)
			}
			ctx, heal := context.WithCancel(t.Context())
			mended := make(chan error, 1)
			go func() { mended <- w.list()[0].spoil(ctx, c.kind, rand.New(rand.NewPCG(1, 2)), long) }()
			time.Sleep(200 * time.Millisecond) // for the trouble to begin
			within := soon
			if c.passes {
				within = long
			}
			if err := says(before, within); (err == nil) != c.passes {
				t.Errorf("meanwhile: %v", err)
			}
			fresh, err := net.DialTimeout("tcp", at, soon)
			if (err == nil) != c.connects {
				t.Errorf("connecting meanwhile: %v", err)
			}
			if err == nil {
				_ = fresh.Close()
			}
			heal()
			if err := <-mended; err != nil {
				t.Fatal(err)
			}
			after, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatalf("afterwards: %v", err)
			}
			defer after.Close()
			if err := says(after, long); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			_ = before.SetDeadline(time.Now().Add(long))
			if _, err := before.Read(make([]byte, 100)); err == nil {
				t.Error("a connection outlived the trouble that may have swallowed its bytes")
			}
		})
	}
}

func TestNacosHasTwoPorts(t *testing.T) {
	w := newWires()
	t.Cleanup(w.close)
	at, err := w.layNacos("nacos", "127.0.0.1:20000")
	if err != nil {
		t.Fatal(err)
	}
	one := w.list()[0]
	if len(one.proxies) != 2 || one.proxies[0].Listen != at || one.proxies[1].Listen != above(at) || one.proxies[1].Upstream != "127.0.0.1:21000" {
		t.Errorf("%s: %+v", at, one.proxies)
	}
}
