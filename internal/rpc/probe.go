package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	probeEvery = 300 * time.Millisecond
	probeLimit = 700 * time.Millisecond
	// hungAfter is how many probes in a row an instance may miss, with silence on its streams, before these are given up: some 2.4 s.
	hungAfter = 3
)

var errLeaving = errors.New("the instance says that it is leaving")

// probe asks one instance for its health until the pool drops it. Nacos sees a dead process within a second, but a hung one only after
// twenty, and nothing while it is itself down.
func (p *pool) probe(m *member) {
	client := grpc_health_v1.NewHealthClient(m.conn)
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for missed := 0; ; {
		missed = p.check(m, client, missed)
		if p.drop(m) {
			return
		}
		select {
		case <-m.gone:
			return
		case <-ticker.C:
		case <-m.nudge:
		}
	}
}

// check makes one probe. missed is how many before it got no answer in time; it gives the number after it.
func (p *pool) check(m *member, client grpc_health_v1.HealthClient, missed int) int {
	ctx, cancel := context.WithTimeout(m.life.Load().ctx, probeLimit)
	defer cancel()
	start := time.Now()
	res, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: serviceName})
	switch {
	case err == nil && res.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING:
		m.hear()
		p.eject(m, errLeaving)
	case err == nil, status.Code(err) == codes.Unimplemented, status.Code(err) == codes.NotFound: // a server without health answers too
		m.hear()
		p.prove(m)
	case m.dropped():
	case ctx.Err() == nil:
		p.eject(m, err)
	case time.Since(start) > 2*probeLimit: // this process itself got no time: that proves nothing
	case m.silent() > probeLimit:
		p.eject(m, err)
		if missed++; missed >= hungAfter && m.streams.Load() > 0 {
			p.log.Warn("a server hangs; its turns go on elsewhere", "server", m.addr, "streams", m.streams.Load())
			m.cut()
		}
		return missed
	}
	return 0
}

// prove makes an instance usable.
func (p *pool) prove(m *member) {
	if m.state.Swap(up) == up {
		return
	}
	p.log.Info("a server answers", "server", m.addr)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rebuild()
}

// eject keeps new calls away from an instance until a probe succeeds.
func (p *pool) eject(m *member, why error) {
	if m.state.Swap(down) == down {
		return
	}
	p.metrics.ejected.Inc()
	p.log.Warn("a server is avoided until it answers again", "server", m.addr, "err", why)
	p.mu.Lock()
	p.rebuild()
	p.mu.Unlock()
	select {
	case m.nudge <- struct{}{}:
	default:
	}
}
