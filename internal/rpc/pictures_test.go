package rpc

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
)

// picture is a PNG by its first bytes.
func picture(size int) chat.Picture {
	return chat.Picture{Type: "image/png", Data: append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{'x'}, size-8)...)}
}

func seen(text string, pictures ...chat.Picture) chat.Request {
	req := question(text)
	req.Images = pictures
	return req
}

// TestPicturesReachTheServer: as many and as large as a message may have, beside a long text.
func TestPicturesReachTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, s.Addr())
	most := picture(chat.MaxImageBytes)
	lying := picture(100)
	lying.Type = "image/jpeg"
	for name, tt := range map[string]struct {
		req  chat.Request
		want string
		kind chat.Kind
	}{
		"one":                      {seen("see", picture(1000)), "image/png 1000 ", 0},
		"the most":                 {seen("see", most, most, most, most), strings.Repeat("image/png 5242880 ", 4), 0},
		"its type is in its bytes": {seen("see", lying), "image/png 100 ", 0},
		"too many":                 {seen("see", slices.Repeat([]chat.Picture{picture(100)}, 5)...), "", chat.Invalid},
		"too large":                {seen("see", picture(chat.MaxImageBytes+1)), "", chat.TooLarge},
		"no picture":               {seen("see", chat.Picture{Type: "image/png", Data: []byte("<svg/>")}), "", chat.Invalid},
		"an empty one":             {seen("see", chat.Picture{Type: "image/png"}), "", chat.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			tt.req.System = strings.Repeat("x", 1<<20)
			r, err := c.Complete(t.Context(), tt.req, func(chat.Event) {})
			if tt.kind != 0 {
				wantKind(t, err, tt.kind)
				return
			}
			if err != nil || r.Text != tt.want {
				t.Errorf("the server saw %q, %v; want %q", r.Text, err, tt.want)
			}
		})
	}
	if held := s.service.pictures.held.Load(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

// TestAnOlderServerIsNotTakenForOneThatLooked: it overlooks pictures, and answers to the words.
func TestAnOlderServerIsNotTakenForOneThatLooked(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, s.Addr())
	_, err := c.Complete(t.Context(), seen("blind", picture(100)), func(chat.Event) {})
	wantKind(t, err, chat.Unavailable)
	if codeOfError(err) != chat.CodeInstance {
		t.Errorf("%v: the turn would not go to another server", err)
	}
	if i := instance(c, s.Addr()); i == nil || !i.Up {
		t.Error("for texts it is as good as any")
	}
	if _, err := ask(t.Context(), c, "blind"); err != nil {
		t.Error(err)
	}
}

// older is a server of a release before pictures.
type older struct{ asked atomic.Int64 }

func (o *older) Complete(_ context.Context, req chat.Request, emit func(chat.Event) error) error {
	o.asked.Add(1)
	if err := emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "p", Model: req.Model}}); err != nil {
		return err
	}
	return finish(emit, "older")
}

// TestAnIdleOlderServerIsPassedOver for pictures, however much the others have to do; texts still go to it.
func TestAnIdleOlderServerIsPassedOver(t *testing.T) {
	t.Parallel()
	o := &older{}
	before, now := serve(t, ServerOptions{Handler: o}), serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, before.Addr(), now.Addr())
	c.pool.mu.Lock()
	c.pool.members[now.Addr()].streams.Add(100)
	c.pool.members[now.Addr()].busy.Store(time.Now().Add(time.Hour).UnixNano())
	c.pool.mu.Unlock()
	answered := 0
	for range 7 {
		if r, err := c.Complete(t.Context(), seen("see", picture(100)), func(chat.Event) {}); err == nil && r.Text == "image/png 100 " {
			answered++
		}
	}
	if n := o.asked.Load(); answered != 6 || n != 1 {
		t.Errorf("%d of 7 were answered, the older server was asked %d times; want it to be found out once", answered, n)
	}
	if r, err := ask(t.Context(), c, "echo"); err != nil || r.Text != "older" {
		t.Errorf("%q, %v: texts pass it over, too", r.Text, err)
	}
}

// TestAServerHoldsSoManyPictures, and is at its limit then, as with streams.
func TestAServerHoldsSoManyPictures(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	s.service.pictures.most = 3000
	c := dialDirect(t, s.Addr())
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Complete(ctx, seen("silent", picture(2000)), func(chat.Event) { close(held) })
	}()
	<-held
	_, err := c.Complete(t.Context(), seen("see", picture(2000)), func(chat.Event) {})
	wantKind(t, err, chat.Overloaded)
	if codeOfError(err) != chat.CodeInstance {
		t.Errorf("%v is not the instance's limit", err)
	}
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Errorf("a text needs no room for pictures: %v", err)
	}
	cancel()
	<-ended
	eventually(t, "room again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Complete(ctx, seen("see", picture(2000)), func(chat.Event) {})
		return err == nil
	})
}
