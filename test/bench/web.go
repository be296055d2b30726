package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley/test/ledger"
)

// page is one browser on the web channel: signed in, its event stream open.
type page struct {
	base   string
	cookie string
	name   string
	asked  int

	mu      sync.Mutex
	waiting map[string]*shown // by message id
	broken  error
}

// shown is when a message's answer was seen.
type shown struct {
	first, whole time.Time
	text         string
	done         chan struct{}
}

// pages are the browsers that ask in turn.
type pages struct {
	free   chan *page
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// enter signs n browsers in and opens their streams.
func enter(ctx context.Context, s *stage, n int) (*pages, error) {
	ctx, cancel := context.WithCancel(ctx)
	ps := &pages{free: make(chan *page, n), cancel: cancel}
	base := "http://" + s.client.Addr + "/chat/" + s.company.Tenant + "/web"
	for i := range n {
		p := &page{base: base, name: fmt.Sprintf("w%04d", i+1), waiting: map[string]*shown{}}
		if err := p.signIn(ctx, s.company.WebToken); err != nil {
			ps.leave()
			return nil, fmt.Errorf("sign in to the web page: %w", err)
		}
		ready := make(chan error, 1)
		ps.wg.Add(1)
		go func() { defer ps.wg.Done(); p.listen(ctx, ready) }()
		if err := <-ready; err != nil {
			ps.leave()
			return nil, fmt.Errorf("event stream: %w", err)
		}
		ps.free <- p
	}
	return ps, nil
}

func (ps *pages) leave() {
	ps.cancel()
	ps.wg.Wait()
}

// turn lets a free browser ask. Waiting for one counts: the time runs from due.
func (ps *pages) turn(ctx context.Context, due time.Time) (first, whole time.Duration, err error) {
	var p *page
	select {
	case p = <-ps.free:
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("no free browser: %w", ctx.Err())
	}
	defer func() { ps.free <- p }()
	p.asked++
	id := ledger.ID{Person: p.name, N: p.asked}
	sh := p.expect(id.String())
	if err := p.post(ctx, "/messages", map[string]string{"id": strings.ReplaceAll(id.String(), ".", "-"), "text": ledger.Question(id)}); err != nil {
		return 0, 0, err
	}
	select {
	case <-sh.done:
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("%s is not answered: %w", id, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return 0, 0, p.broken
	}
	if got, ok := ledger.Answered(sh.text); !ok || got != id {
		return 0, 0, fmt.Errorf("%s was answered %q", id, sh.text)
	}
	if !sh.first.IsZero() {
		first = sh.first.Sub(due)
	}
	return first, sh.whole.Sub(due), nil
}

func (p *page) expect(id string) *shown {
	p.mu.Lock()
	defer p.mu.Unlock()
	sh := &shown{done: make(chan struct{})}
	if p.broken != nil {
		close(sh.done)
	}
	p.waiting[strings.ReplaceAll(id, ".", "-")] = sh
	return sh
}

func (p *page) request(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.cookie != "" {
		req.Header.Set("Cookie", p.cookie)
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return nil, fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, said)
	}
	return resp, nil
}

// browser keeps as many connections as browsers would.
var browser = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * visitors}}

func (p *page) post(ctx context.Context, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := p.request(ctx, http.MethodPost, path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	for _, c := range resp.Cookies() {
		p.cookie = c.Name + "=" + c.Value
	}
	return err
}

func (p *page) signIn(ctx context.Context, token string) error {
	if err := p.post(ctx, "/login", map[string]string{"token": token}); err != nil {
		return err
	}
	if p.cookie == "" {
		return errors.New("no cookie was given")
	}
	return nil
}

// listen reads the event stream until ctx ends or it breaks.
func (p *page) listen(ctx context.Context, ready chan<- error) {
	resp, err := p.request(ctx, http.MethodGet, "/events", nil)
	if err != nil {
		ready <- err
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var event string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			p.fail(fmt.Errorf("the event stream broke: %w", err))
			return
		}
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		switch {
		case ok && event == "ready":
			select {
			case ready <- nil:
			default:
			}
		case ok:
			p.take(event, data)
		}
	}
}

func (p *page) take(event, data string) {
	now := time.Now()
	var e struct {
		Message, Text string
		Part, Of      int
	}
	if json.Unmarshal([]byte(data), &e) != nil || e.Text == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sh := p.waiting[e.Message]
	switch {
	case sh == nil:
	case event == "live" && sh.first.IsZero():
		sh.first = now
	case event == "part":
		if sh.text += e.Text; e.Part == e.Of {
			sh.whole = now
			delete(p.waiting, e.Message)
			close(sh.done)
		}
	}
}

func (p *page) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = err
	for id, sh := range p.waiting {
		delete(p.waiting, id)
		close(sh.done)
	}
}
