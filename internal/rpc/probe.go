package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	probeEvery = 300 * time.Millisecond
	// probeIdle is for an instance that is well and not used by this client: of a thousand clients, each would else burden each server, and fifty
	// servers would ask each other eight thousand times a second. It is asked again soon enough to avoid one that hangs before the first turn
	// goes there. Where a server holds keys it has streams: a keeper that hangs is found fast by all who have to tell of their calls.
	probeIdle  = 2 * time.Second
	probeLimit = 700 * time.Millisecond
	// settleFor is how long an instance is watched closely after its state changed.
	settleFor = 3 * time.Second
	// hungAfter is how many probes in a row an instance may miss, with silence on its streams, before these are given up: some 2.4 s.
	hungAfter = 3
	// hungMore is how many more it may miss for each thousand streams, and hungMost how many in all: some 15 s. What is given up is asked anew
	// of the others, and where thousands are, that costs more than a machine which stands still for a moment; servers fell like dominoes.
	hungMore, hungMost = 1, 20
)

// patience is how many probes in a row an instance with so many streams may miss.
func patience(streams int64) int { return min(hungAfter+int(streams/1000)*hungMore, hungMost) }

var errLeaving = errors.New("the instance says that it is leaving")

// probe asks one instance for its health until the pool drops it. Nacos sees a dead process within a second, but a hung one only after
// twenty, and nothing while it is itself down.
func (p *pool) probe(m *member, client grpc_health_v1.HealthClient) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for missed := 0; ; {
		m.probed.Store(time.Now().UnixNano())
		missed = p.check(m, client, missed)
		if p.drop(m) || !m.rest(ticker.C) {
			return
		}
	}
}

// rest waits until a probe is due; false: the pool dropped the instance.
func (m *member) rest(tick <-chan time.Time) bool {
	for {
		select {
		case <-m.gone:
			return false
		case <-m.nudge:
			return true
		case <-tick:
			if m.due(time.Now()) {
				return true
			}
		}
	}
}

// due reports whether a probe is worth its cost.
func (m *member) due(now time.Time) bool {
	since := func(t int64) time.Duration { return time.Duration(now.UnixNano() - t) }
	return m.streams.Load() > 0 || m.state.Load() != up || since(m.changed.Load()) < settleFor || since(m.probed.Load()) >= probeIdle
}

// attend has an instance probed as soon as its connection is lost: a process that died is avoided at once, also by who does not use it.
func (m *member) attend() {
	for state := m.conn.GetState(); state != connectivity.Shutdown; {
		m.conn.WaitForStateChange(context.Background(), state)
		if state == connectivity.Ready {
			m.pool.refuse(m, nil) // whoever listens there next may be of another release
			m.probeNow()
		}
		state = m.conn.GetState()
	}
}

func (m *member) probeNow() {
	select {
	case m.nudge <- struct{}{}:
	default:
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
		p.prove(m, start)
	case m.dropped():
	case ctx.Err() == nil:
		p.eject(m, err)
	case time.Since(start) > 2*probeLimit: // this process itself got no time: that proves nothing
	case m.silent() > probeLimit:
		p.eject(m, err)
		if missed++; m.streams.Load() > 0 && missed >= patience(m.streams.Load()) {
			p.log.Warn("a server hangs; its turns go on elsewhere", "server", m.addr, "streams", m.streams.Load())
			m.cut()
		}
		return missed
	}
	return 0
}

// prove makes an instance usable by a success that was asked for at since. A call may have found it dead meanwhile: then the next probe
// tells.
func (p *pool) prove(m *member, since time.Time) {
	if m.state.Load() == up {
		return
	}
	p.mu.Lock()
	if m.state.Load() == down && m.changed.Load() > since.UnixNano() {
		p.mu.Unlock()
		return
	}
	p.turn(m, up)
	p.mu.Unlock()
	p.log.Info("a server answers", "server", m.addr)
}

// eject keeps new calls away from an instance until a probe succeeds. When it returns none can go there any more, whoever else was
// ejecting it at the same moment: the turns that ran on a dead instance all look for another at once.
func (p *pool) eject(m *member, why error) {
	p.mu.Lock()
	if m.state.Load() == down {
		p.mu.Unlock()
		return
	}
	p.turn(m, down)
	p.mu.Unlock()
	p.metrics.ejected.Inc()
	p.log.Warn("a server is avoided until it answers again", "server", m.addr, "err", why)
	m.probeNow()
}

// turn changes an instance's state. p.mu is held, and so nothing is logged: a disk that stands still would keep calls from the list.
func (p *pool) turn(m *member, state int32) {
	m.state.Store(state)
	m.change()
	p.rebuild()
}
