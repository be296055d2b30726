package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"syscall"
	"time"
)

// serveHTTP serves h on an open listener until ctx ends, then lets running requests finish for up to grace.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // a body of 1 MiB at a drip is no platform's
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("http on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer done()
	time.AfterFunc(max(grace/2, grace-2500*time.Millisecond), cancel) // what still runs is told so, and has time to say it
	if err := srv.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("http on %s: %w", l.Addr(), err)
	}
	return srv.Close()
}

// listen opens a TCP listener; its error says which setting to change.
func listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	var malformed *net.AddrError
	switch {
	case err == nil:
		return l, nil
	case errors.As(err, &malformed):
		return nil, fmt.Errorf("%s: %q is not host:port, as in 127.0.0.1:8080: %s", setting, addr, malformed.Err)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w: another process is on it; choose another address", setting, err)
	default:
		return nil, fmt.Errorf("%s: %w: choose another address", setting, err)
	}
}

// debugHandler serves pprof; it belongs on an address of its own that only operators reach.
func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
