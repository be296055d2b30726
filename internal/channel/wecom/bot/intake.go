package bot

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

const (
	// queues take messages in side by side; those of one conversation stay in order.
	queues     = 32
	queueDepth = 32
)

// intake stores the messages of a connection.
type intake struct {
	*link
	seed   maphash.Seed
	queues [queues]chan accepted
	inHand atomic.Int64
	wg     sync.WaitGroup
}

// accepted is one message on its way to the store.
type accepted struct {
	m   chat.Message
	to  address
	req string
}

func newIntake(l *link) *intake {
	in := &intake{link: l, seed: maphash.MakeSeed()}
	for i := range in.queues {
		in.queues[i] = make(chan accepted, queueDepth)
		in.wg.Go(func() {
			for t := range in.queues[i] {
				in.keep(t)
				in.inHand.Add(-1)
			}
		})
	}
	return in
}

// finish waits for what is in hand, for a while.
func (in *intake) finish(most time.Duration) {
	for began := time.Now(); in.inHand.Load() > 0 && time.Since(began) < most; {
		time.Sleep(10 * time.Millisecond)
	}
}

// close ends the queues; nothing may be put any more.
func (in *intake) close() {
	for _, q := range in.queues {
		close(q)
	}
	in.wg.Wait()
}

// message takes one in. Before it is stored its stream begins, so that nothing of its answer can be overtaken by that.
func (l *link) message(f frame) {
	var in incoming
	err := json.Unmarshal(f.Body, &in)
	if err == nil {
		err = in.check()
	}
	if err != nil || in.Type == typeStream || in.Type == typeEvent {
		l.log.Warn("wecombot: a message is not understood", "err", err)
		return
	}
	m, err := l.Stream.message(&in, address{Req: f.Headers.Req})
	if err != nil {
		l.log.Warn("wecombot: a message is refused", "err", err)
		return
	}
	to, _ := decodeAddress(m)
	t := accepted{m, to, f.Headers.Req}
	l.begin(t)
	l.intake.inHand.Add(1)
	select {
	case l.intake.queues[maphash.String(l.intake.seed, m.Conversation.ID)%queues] <- t: // full: the store is slow, and the platform must wait
	case <-l.base.Done():
		l.intake.inHand.Add(-1)
	}
}

// begin shows that the bot has heard. Nobody waits for it.
func (l *link) begin(t accepted) {
	leave, ok := l.enterFirst(t.req)
	if !ok {
		return
	}
	l.helpers.Go(func() {
		defer leave()
		body, err := encode(streamOf(t.to.Stream, l.words.thinking, false))
		if err != nil || l.spend(l.base, t.to, forUpdates, 0) != nil {
			return
		}
		if _, err := l.exchange(l.base, frame{Cmd: cmdRespond, Headers: frameHeaders{t.req}, Body: body}); err != nil {
			l.log.Debug("wecombot: the beginning of a stream is lost", "err", err)
		}
	})
}

// keep stores a message. While the store fails it tries again, for almost a minute; then its sender is told: the platform sends it once.
func (in *intake) keep(t accepted) {
	ctx, cancel := context.WithTimeout(in.base, in.within.store)
	defer cancel()
	for {
		err := in.accept(ctx, t.m)
		if err == nil {
			return
		}
		select {
		case <-time.After(in.within.again):
			continue
		case <-ctx.Done():
		}
		in.metrics.unstored.Inc()
		in.log.Error("wecombot: a message could not be stored; its sender is told to send it again", "err", err)
		if body, err := encode(streamOf(t.to.Stream, in.words.unstored, true)); err == nil {
			_, _ = in.ask(in.base, cmdRespond, t.req, body)
		}
		return
	}
}

func (in *intake) accept(ctx context.Context, m chat.Message) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return in.inbox.Accept(ctx, m)
}
