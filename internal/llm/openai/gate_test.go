package openai

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
)

// counting counts the connections that a listener accepts.
type counting struct {
	net.Listener
	n atomic.Int32
}

func (c *counting) Accept() (net.Conn, error) {
	c.n.Add(1)
	return c.Listener.Accept()
}

// A burst of calls opens connections for the streams that they carry, not one for each call; where each call needs its own, all are opened at once.
func TestBurst(t *testing.T) {
	const calls, streams = 1000, 100
	for name, test := range map[string]struct {
		tls, http2 bool
		most       int32
	}{
		"h2c": {false, true, mostDialing * (calls/streams + 2)}, "h2": {true, true, mostDialing * (calls/streams + 2)}, "HTTP/1.1": {false, false, calls + mostDialing},
	} {
		t.Run(name, func(t *testing.T) {
			var waiting sync.WaitGroup
			waiting.Add(calls)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				waiting.Done()
				waiting.Wait() // all at once
				_, _ = w.Write(fixture(t, "complete"))
			}))
			accepted := &counting{Listener: s.Listener}
			s.Listener, s.EnableHTTP2 = accepted, test.http2
			s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
			s.Config.Protocols = &http.Protocols{}
			s.Config.Protocols.SetHTTP1(!test.http2)
			s.Config.Protocols.SetHTTP2(test.tls)
			s.Config.Protocols.SetUnencryptedHTTP2(!test.tls && test.http2)
			if test.tls {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			p, err := New(llm.Endpoint{BaseURL: s.URL, Connect: 30 * time.Second, PriorKnowledge: test.http2 && !test.tls}, llm.Dialect{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if test.tls {
				roots := x509.NewCertPool()
				roots.AddCert(s.Certificate())
				p.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			}
			var wg sync.WaitGroup
			for range calls {
				wg.Go(func() {
					if _, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, ignore); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := accepted.n.Load(); n > test.most {
				t.Errorf("%d connections for %d calls, want no more than %d", n, calls, test.most)
			} else {
				t.Log(n, "connections")
			}
		})
	}
}

// Where no connection comes, no call waits much longer than for one.
func TestNoConnectionForAnybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(llm.Endpoint{Connect: 5 * time.Second, PriorKnowledge: true})
		for range mostDialing {
			if _, _, err := g.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_, _, err := g.enter(t.Context())
		if took := time.Since(began); took != 5*time.Second || chat.KindOf(transportError(err)) != chat.Timeout {
			t.Errorf("%v after %v", err, took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, _, err := g.enter(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Those in line when it turns out that each call needs a connection of its own are let go, not failed for the time that others' took.
func TestLineEndsWhereEachCallNeedsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(llm.Endpoint{Connect: 5 * time.Second})
		var first context.Context
		for range mostDialing {
			ctx, _, err := g.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			first = ctx
		}
		began := time.Now()
		var line sync.WaitGroup
		for range 500 {
			line.Go(func() {
				if _, _, err := g.enter(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		conn, _ := net.Pipe()
		httptrace.ContextClientTrace(first).GotConn(httptrace.GotConnInfo{Conn: conn})
		line.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("the line took %v", took)
		}
	})
}
