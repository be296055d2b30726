package bot

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// lane lets the frames of one question go one after the other.
type lane struct {
	turn chan struct{}
	used int
}

// ask sends a frame and waits for the platform's answer to it.
func (l *link) ask(ctx context.Context, cmd, req string, body json.RawMessage) (frame, error) {
	leave, err := l.enter(ctx, req)
	if err != nil {
		return frame{}, channel.Lost("wecombot."+cmd, err, false)
	}
	defer leave()
	return l.exchange(ctx, frame{Cmd: cmd, Headers: frameHeaders{req}, Body: body})
}

// enter waits until no other frame of a question is on its way.
func (l *link) enter(ctx context.Context, req string) (leave func(), err error) {
	l.mu.Lock()
	way := l.lanes[req]
	if way == nil {
		way = &lane{turn: make(chan struct{}, 1)}
		l.lanes[req] = way
	}
	way.used++
	l.mu.Unlock()
	quit := func() { l.quit(req, way) }
	select {
	case way.turn <- struct{}{}:
		return func() { <-way.turn; quit() }, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.base.Done():
		err = l.base.Err()
	}
	quit()
	return nil, err
}

func (l *link) quit(req string, way *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if way.used--; way.used == 0 {
		delete(l.lanes, req)
	}
}

// enterFirst is enter for the first frame of a question; ok is false if there was one already. It does not block.
func (l *link) enterFirst(req string) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes[req] != nil {
		return nil, false
	}
	way := &lane{turn: make(chan struct{}, 1), used: 1}
	way.turn <- struct{}{}
	l.lanes[req] = way
	return func() { <-way.turn; l.quit(req, way) }, true
}

// exchange writes a frame and waits for its answer; its lane is taken.
func (l *link) exchange(ctx context.Context, f frame) (frame, error) {
	op := "wecombot." + f.Cmd
	out, err := encode(f)
	if err != nil {
		return frame{}, chat.E(chat.Internal, op, err)
	}
	answer := make(chan frame, 1)
	l.mu.Lock()
	l.waiting[f.Headers.Req] = answer
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, f.Headers.Req)
		l.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, l.within.ack)
	defer cancel()
	// The frame is written whole or not at all: a write that is broken off breaks the connection.
	writing, done := context.WithTimeout(l.base, l.within.ack)
	defer done()
	if err := l.conn.Write(writing, websocket.MessageText, out); err != nil {
		return frame{}, channel.Lost(op, err, true)
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return frame{}, channel.Lost(op, ctx.Err(), true)
	case <-l.base.Done():
		return frame{}, channel.Lost(op, errors.New("the connection ended before the answer"), true)
	}
}
