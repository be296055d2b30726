package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"parley/test/realdeps"
	"parley/test/rig"
)

// floorEnv makes this program the floor in place of a bench: LISTEN,TARGET.
const floorEnv = "PARLEY_BENCH_FLOOR"

// isFloor reports whether this process is the floor; then it serves until it is killed.
func isFloor() bool {
	listen, to := os.Getenv(floorEnv), os.Getenv(floorEnv+"_TO")
	if listen == "" {
		return false
	}
	target, err := url.Parse(to)
	if err == nil {
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1000}
		err = (&http.Server{Addr: listen, Handler: proxy, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe()
	}
	os.Stderr.WriteString(err.Error() + "\n")
	os.Exit(1)
	return true
}

// startFloor starts a plain httputil.ReverseProxy before the model, in a process of its own: what one hop costs in Go at least.
func startFloor(ctx context.Context, g *rig.Rig, to string) (origin string, p *rig.Process, err error) {
	addr, err := realdeps.FreeAddr()
	if err != nil {
		return "", nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	p, err = g.Run(ctx, "floor", []string{floorEnv + "=" + addr, floorEnv + "_TO=" + to}, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	}, self)
	return "http://" + addr, p, err
}
