package hang

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// wire leads to a part and can be made to swallow what passes: connections stand, new ones are taken, and nothing arrives.
type wire struct {
	t       *testing.T
	server  *toxiproxy.ApiServer
	addr    string
	proxies []*toxiproxy.Proxy
}

// newWire leads to one port, or with pairs to that and the one 1000 above, as Nacos has them.
func newWire(t *testing.T, to string, pair bool) *wire {
	t.Helper()
	w := &wire{t: t, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
	t.Cleanup(func() {
		for _, p := range w.proxies {
			within(2*time.Second, p.Stop)
		}
	})
	for range 100 {
		first := toxiproxy.NewProxy(w.server, "first", "127.0.0.1:0", to)
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		w.addr, w.proxies = first.Listen, []*toxiproxy.Proxy{first}
		if !pair {
			return w
		}
		second := toxiproxy.NewProxy(w.server, "second", above(t, first.Listen), above(t, to))
		if second.Start() == nil {
			w.proxies = append(w.proxies, second)
			return w
		}
		first.Stop() // the port above is taken
	}
	t.Fatal("no two free ports 1000 apart")
	return nil
}

// above is the address 1000 ports above.
func above(t *testing.T, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1000))
}

// hang swallows everything from now on.
func (w *wire) hang() {
	w.t.Helper()
	for _, p := range w.proxies {
		for _, direction := range []string{"upstream", "downstream"} {
			toxic := `{"name": "hole-` + direction + `", "type": "timeout", "stream": "` + direction + `", "attributes": {"timeout": 0}}`
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// mend ends all connections, for what was swallowed is lost to them, and lets new ones pass. The proxies are new ones: taking a toxic out of a
// proxy in use can wait for ever in toxiproxy 2.5.0.
func (w *wire) mend() {
	w.t.Helper()
	for i, p := range w.proxies {
		within(2*time.Second, p.Stop)
		fresh := toxiproxy.NewProxy(w.server, p.Name, p.Listen, p.Upstream)
		for try := 0; ; try++ { // the port may be a moment in coming free
			err := fresh.Start()
			if err == nil {
				break
			}
			if try == 50 {
				w.t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		w.proxies[i] = fresh
	}
}

// within runs f and waits for it, but not for long.
func within(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
	}
}
