// Command wecomsim is the simulated WeCom of whole-program tests in a process of its own: the platform's API, the simulator's controls
// below /admin/ (see internal/sim/wecom), and GET /feed, which tells what people are shown as it happens.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"parley/internal/sim/wecom"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	f := newFeed()
	o := wecom.Options{OnShown: f.add}
	flag.IntVar(&o.Again, "again", 0, "deliveries at most after a message was acknowledged")
	flag.IntVar(&o.PerMinute, "per-minute", 0, "messages a minute that a member gets of an application; 0: WeCom's own limit")
	flag.DurationVar(&o.AckWithin, "ack-within", 0, "a callback's deadline; 0: WeCom's own")
	flag.Parse()
	if flag.NArg() > 0 || o.Again < 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*listen, wecom.New(o), f); err != nil {
		fmt.Fprintln(os.Stderr, "wecomsim:", err)
		os.Exit(1)
	}
}

// serve blocks until the process is told to end.
func serve(listen string, sim *wecom.Sim, f *feed) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", sim.Handler())
	mux.Handle("GET /feed", f)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}
