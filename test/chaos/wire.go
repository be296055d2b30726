package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// wires are all connections between the parts, each through a proxy that can cut, swallow and slow what passes.
type wires struct {
	server *toxiproxy.ApiServer

	mu  sync.Mutex
	all []*wire
}

// wire is what leads to one part, or from one part to another. A Nacos has two ports, which fail together.
type wire struct {
	name    string
	mu      sync.Mutex // held by whoever spoils it
	server  *toxiproxy.ApiServer
	proxies []*toxiproxy.Proxy
}

func newWires() *wires {
	return &wires{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
}

// lay makes a wire to an address and gives the address to call in its place.
func (w *wires) lay(name, to string) (at string, err error) {
	p, err := w.proxy(name, "127.0.0.1:0", to)
	if err != nil {
		return "", err
	}
	w.keep(&wire{name: name, server: w.server, proxies: []*toxiproxy.Proxy{p}})
	return p.Listen, nil
}

// layNacos makes a wire to a Nacos, whose gRPC port is 1000 above the one that it is known by.
func (w *wires) layNacos(name, to string) (at string, err error) {
	for range 100 {
		first, err := w.proxy(name, "127.0.0.1:0", to)
		if err != nil {
			return "", err
		}
		second, err := w.proxy(name+"-grpc", above(first.Listen), above(to))
		if err != nil { // taken
			first.Stop()
			continue
		}
		w.keep(&wire{name: name, server: w.server, proxies: []*toxiproxy.Proxy{first, second}})
		return first.Listen, nil
	}
	return "", fmt.Errorf("no two free ports 1000 apart for %s", name)
}

// above is the address 1000 ports above.
func above(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(n+1000))
}

func (w *wires) proxy(name, at, to string) (*toxiproxy.Proxy, error) {
	p := toxiproxy.NewProxy(w.server, name, at, to)
	return p, p.Start()
}

func (w *wires) keep(one *wire) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, one)
}

// list is all wires, in the order in which they were laid.
func (w *wires) list() []*wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*wire{}, w.all...)
}

// close ends all connections.
func (w *wires) close() {
	for _, one := range w.list() {
		for _, p := range one.proxies {
			within(2*time.Second, p.Stop)
		}
	}
}

// toxic is one way in which a wire fails; see toxiproxy's description of each.
type toxic struct {
	kind  string
	attrs map[string]int64
}

// poison makes the toxics of a trouble.
func poison(kind string, random *rand.Rand) []toxic {
	switch kind {
	case "hole": // connections stand, and nothing arrives
		return []toxic{{"timeout", map[string]int64{"timeout": 0}}}
	case "reset": // the first bytes end a connection
		return []toxic{{"reset_peer", map[string]int64{"timeout": random.Int64N(300)}}}
	case "slow":
		return []toxic{{"latency", map[string]int64{"latency": 50 + random.Int64N(900), "jitter": 50 + random.Int64N(300)}}}
	default: // "drip": small pieces, some kilobytes a second
		return []toxic{
			{"slicer", map[string]int64{"average_size": 64, "size_variation": 32, "delay": 500}},
			{"bandwidth", map[string]int64{"rate": 20 + random.Int64N(100)}},
		}
	}
}

// spoil lets a wire fail until ctx ends or the time is over, and mends it. What is connected stays so, but for a cut.
func (w *wire) spoil(ctx context.Context, kind string, random *rand.Rand, length time.Duration) error {
	for _, p := range w.proxies {
		if kind == "cut" {
			within(2*time.Second, p.Stop)
		}
	}
	if kind != "cut" {
		for _, t := range poison(kind, random) {
			if err := w.add(t); err != nil {
				return errors.Join(err, w.mend())
			}
		}
	}
	pause(ctx, length)
	return w.mend()
}

// add puts a toxic into both directions of a wire.
func (w *wire) add(t toxic) error {
	var errs []error
	for _, direction := range []string{"upstream", "downstream"} {
		body, err := json.Marshal(map[string]any{"name": t.kind + "-" + direction, "type": t.kind, "stream": direction, "attributes": t.attrs})
		if err != nil {
			return err
		}
		for _, p := range w.proxies {
			failed := make(chan error, 1)
			within(2*time.Second, func() {
				_, err := p.Toxics.AddToxicJson(bytes.NewReader(body))
				failed <- err
			})
			select {
			case err := <-failed:
				if err != nil {
					errs = append(errs, fmt.Errorf("%s on %s: %w", t.kind, w.name, err))
				}
			default: // it waits for who does not read; so does everybody on that connection
			}
		}
	}
	return errors.Join(errs...)
}

// mend puts new proxies in place of the old ones, whose connections end: what a hole has swallowed is lost to them. Toxics are never taken
// out of a proxy in use, because toxiproxy 2.5.0 can wait for ever then.
func (w *wire) mend() error {
	for i, p := range w.proxies {
		within(2*time.Second, p.Stop)
		fresh := toxiproxy.NewProxy(w.server, p.Name, p.Listen, p.Upstream)
		var err error
		for range 50 { // the port may be a moment in coming free
			if err = fresh.Start(); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("mend %s: %w", w.name, err)
		}
		w.proxies[i] = fresh
	}
	return nil
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

// pause blocks for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
