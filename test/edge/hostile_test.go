package edge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/test/rig"
)

// platformWaits is how long WeCom waits for an acknowledgement before it delivers again.
const platformWaits = 5 * time.Second

// TestHostileBodies sends what no platform sends, from many connections at once, while people talk: they are acknowledged in the platform's
// time, memory stays bounded, and afterwards everything is as before.
func TestHostileBodies(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	acme := newCompany("acme")
	s := newStage(ctx, t, acme)
	client := s.client(ctx, "client", s.redisYAML(), acme)
	s.entry([]company{acme}, client)
	for i := range 50 { // what a process that works has
		s.say(ctx, acme.app, fmt.Sprint("acme-warm", i), "你好", 1)
	}
	before, calm := client.Usage().RSS, s.goroutines(ctx, client)

	deep := []byte("<xml>" + strings.Repeat("<a>", 50_000) + strings.Repeat("</a>", 50_000) + "</xml>")
	wide := []byte("<xml>" + strings.Repeat("<a/>", 200_000) + "</xml>")
	large := bytes.Repeat([]byte("<xml>aaa"), 10<<20/8)
	head := func(more string) string {
		return "POST /callback/acme/app?msg_signature=x&timestamp=1&nonce=1 HTTP/1.1\r\nHost: x\r\n" + more
	}
	attacks := []struct {
		name  string
		conns int
		do    func(ctx context.Context, c net.Conn)
	}{
		{"10 MiB", 1000, func(_ context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head(fmt.Sprintf("Content-Length: %d\r\n\r\n", len(large))))
			_, _ = c.Write(large)
		}},
		{"just below 1 MiB, and then nothing", 1000, func(ctx context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head("Content-Length: 1048576\r\n\r\n"))
			_, _ = c.Write(large[:1<<20-1])
			hangUp(ctx, c)
		}},
		{"drop by drop", 200, func(ctx context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head("Content-Length: 1000\r\n\r\n"))
			drip(ctx, c, "x")
		}},
		{"headers drop by drop", 200, func(ctx context.Context, c net.Conn) { drip(ctx, c, "x") }},
		{"chunks without end", 50, func(ctx context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head("Transfer-Encoding: chunked\r\n\r\n"))
			drip(ctx, c, "1000\r\n"+strings.Repeat("a", 0x1000)+"\r\n")
		}},
		{"deeply nested", 100, func(ctx context.Context, c net.Conn) {
			_, _ = fmt.Fprintf(c, "%s\r\n\r\n%s", head(fmt.Sprint("Content-Length: ", len(deep))), deep)
			hangUp(ctx, c)
		}},
		{"many elements", 100, func(ctx context.Context, c net.Conn) {
			_, _ = fmt.Fprintf(c, "%s\r\n\r\n%s", head(fmt.Sprint("Content-Length: ", len(wide))), wide)
			hangUp(ctx, c)
		}},
		{"less than Content-Length says", 500, func(_ context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head("Content-Length: 1000\r\n\r\n<xml>"))
		}},
		{"more than Content-Length says", 500, func(ctx context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head("Content-Length: 5\r\n\r\n<xml></xml>GET / HTTP/1.1\r\n\r\n"))
			hangUp(ctx, c)
		}},
		{"Content-Length twice, and negative", 200, func(ctx context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head("Content-Length: 5\r\nContent-Length: 6\r\n\r\n<xml>"))
			_, _ = io.WriteString(c, head("Content-Length: -1\r\n\r\n"))
			hangUp(ctx, c)
		}},
		{"headers without end", 200, func(_ context.Context, c net.Conn) {
			_, _ = io.WriteString(c, head(strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 1000)))
		}},
	}
	var peak int64
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			const lasts = 4 * time.Second
			during, stop := context.WithTimeout(ctx, lasts)
			defer stop()
			var wg sync.WaitGroup
			for range a.conns {
				wg.Go(func() {
					c, err := new(net.Dialer).DialContext(during, "tcp", client.Addr)
					if err != nil {
						return // nobody promised strangers a connection
					}
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(lasts))
					a.do(during, c)
				})
			}
			took := s.goodTraffic(during, acme, strings.ReplaceAll(a.name, " ", ""))
			peak = max(peak, client.Usage().RSS)
			wg.Wait()
			slices.Sort(took)
			if len(took) == 0 {
				t.Fatal("no good delivery was tried")
			}
			t.Logf("%d good deliveries, acknowledged after %s (p99), %s at most; RSS %d MiB", len(took),
				took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), client.Usage().RSS>>20)
			if late := took[len(took)*99/100]; late > platformWaits {
				t.Errorf("p99 of good deliveries is %s", late)
			}
		})
	}
	t.Logf("RSS: %d MiB before, %d MiB at most seen, %d MiB at most ever", before>>20, peak>>20, client.Usage().Peak>>20)
	if most := client.Usage().Peak; most > 4*before && most > before+200<<20 {
		t.Errorf("RSS rose from %d MiB to %d MiB", before>>20, most>>20)
	}
	s.eventually(ctx, "goroutines return", func() string {
		if n := s.goroutines(ctx, client); n > calm*1.5+50 {
			return fmt.Sprintf("%.0f, before %.0f", n, calm)
		}
		return ""
	})
	s.say(ctx, acme.app, "acme-last", "还在吗", 1)
	metrics, err := client.Metrics(ctx)
	s.must(err)
	if n := metrics.Sum("parley_callback_refused_total", `reason="too_large"`); n == 0 {
		t.Error("nothing was too large")
	}
}

// goodTraffic delivers as the platform does until ctx ends, and gives how long each acknowledgement took.
func (s *stage) goodTraffic(ctx context.Context, c company, user string) (took []time.Duration) {
	s.Helper()
	busy := 0 // 503: Redis stood still for a second, as disks do that serve others, too; the platform delivers again
	defer func() {
		if busy > max(3, len(took)/50) {
			s.Errorf("%d of %d good deliveries were answered 503", busy, len(took))
		}
	}()
	for i := 0; ctx.Err() == nil; i++ {
		posted, err := s.sim.Say(context.WithoutCancel(ctx), c.app.Ref, fmt.Sprint("acme-", user, i%20), fmt.Sprint("问 ", i))
		if err != nil {
			s.Errorf("not acknowledged: %v", err)
			return took
		}
		for _, try := range posted.Tries {
			if try.Status == http.StatusServiceUnavailable {
				busy++
			} else if try.Status != http.StatusOK {
				s.Errorf("a good delivery was answered %d %s after %s", try.Status, try.Err, try.Took)
			}
			took = append(took, try.Took)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return took
}

func (s *stage) goroutines(ctx context.Context, n *rig.Node) float64 {
	m, err := n.Metrics(ctx)
	if err != nil {
		s.Error(err)
	}
	return m.Sum("go_goroutines")
}

// drip writes a piece every 100 ms until the other side or ctx ends it.
func drip(ctx context.Context, c net.Conn, piece string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
	}
}

// hangUp waits until the other side or ctx ends the connection.
func hangUp(ctx context.Context, c net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	_, _ = io.Copy(io.Discard, c)
}
